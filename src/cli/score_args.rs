//! Settings of scores: the flags that `sweep score` and `sweep rescore` share.

use clap::{Arg, ArgMatches, Command, FromArgMatches};

use sweep_operations::score_settings::{ScoreSettings, flagged};
use sweep_spec::keys::Described;
use sweep_spec::value::SettingValue;

/// The given flags for settings of scores. Each key that has a flag has one here, with the key's help.
#[derive(Clone, Debug, Default)]
pub struct ScoreArgs(pub ScoreSettings);

impl clap::Args for ScoreArgs {
    fn augment_args(command: Command) -> Command {
        command.args(flagged().map(|(key, flag, value)| {
            let parse = |text: &str| key.parse(text);
            // The key's own error message is better for a number below 0.
            let arg = Arg::new(flag).long(flag).value_name(value).allow_negative_numbers(true).value_parser(parse);
            arg.help(key.help.trim().trim_end_matches('.'))
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        ScoreArgs::augment_args(command)
    }
}

impl FromArgMatches for ScoreArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |(key, flag, _): (&'static Described, &str, _)| {
            Some((key.name, matches.get_one::<SettingValue>(flag)?.clone()))
        };
        Ok(ScoreArgs(ScoreSettings::new(flagged().filter_map(given))))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = ScoreArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::Parser;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        _args: ScoreArgs,
    }

    #[test]
    fn what_a_flag_takes_is_what_its_key_takes() {
        for (flags, expected) in [
            (
                ["--classifier", "slf"],
                "invalid value 'slf' for '--classifier <NAME>': `slf` is not a scoring network (did you mean `self`?)",
            ),
            (
                ["--splits", "0"],
                "invalid value '0' for '--splits <N>': expected a whole number from 1 to 1000, found `0`",
            ),
            (["--range-2d", "-1"], "invalid value '-1' for '--range-2d <X>': expected a number above 0, found `-1`"),
            (["--reg", "some"], "invalid value 'some' for '--reg <EPS>': expected a number above 0, found `some`"),
        ] {
            let error = Line::try_parse_from(["x"].into_iter().chain(flags)).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

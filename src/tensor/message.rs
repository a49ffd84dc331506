//! libtorch's error messages.

/// Removes the C++ stack frames after libtorch's message; they are on stderr.
pub fn without_frames(message: &str) -> String {
    let inner = message.split_once("Torch(\"").map_or(message, |(_, inner)| inner);
    let inner = inner.replace("\\n", "\n");
    let end = ["Exception raised from", "frame #0"].iter().filter_map(|start| inner.find(start)).min();
    inner[..end.unwrap_or(inner.len())].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_from_errors_and_from_panics() {
        let (a, b) =
            (tch::Tensor::zeros([2, 3], tch::kind::FLOAT_CPU), tch::Tensor::zeros([2, 3], tch::kind::FLOAT_CPU));
        let error = a.f_mm(&b).unwrap_err();
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(text.contains("frame #0"), "{text}");
            let cut = without_frames(&text);
            assert!(cut.ends_with("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"), "{cut}");
        }
        assert_eq!(without_frames("no space left"), "no space left");
    }
}

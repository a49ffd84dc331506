//! Where the files of an agent are, in a folder of `agents` in the home directory.

use std::path::{Path, PathBuf};

const ORDERS: &str = "orders.json";
const STATE: &str = "state.json";
const LOG: &str = "agent.log";

/// An agent's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFolder(PathBuf);

impl AgentFolder {
    /// The one at `path`.
    pub fn at(path: PathBuf) -> Self {
        AgentFolder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What the agent is to do.
    pub fn orders(&self) -> PathBuf {
        self.0.join(ORDERS)
    }

    /// What it does.
    pub fn state(&self) -> PathBuf {
        self.0.join(STATE)
    }

    /// What it says on stderr.
    pub fn log(&self) -> PathBuf {
        self.0.join(LOG)
    }
}

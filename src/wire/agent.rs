//! The files of an agent, in a folder of `agents` in the home directory.

use std::path::{Path, PathBuf};

const ORDERS: &str = "orders.json";
const STATE: &str = "state.json";
const LOG: &str = "agent.log";

/// An agent's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFolder(PathBuf);

impl AgentFolder {
    /// Returns the folder at `path`.
    pub fn at(path: PathBuf) -> Self {
        AgentFolder(path)
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the file with the agent's orders.
    pub fn orders(&self) -> PathBuf {
        self.0.join(ORDERS)
    }

    /// Returns the file with its state.
    pub fn state(&self) -> PathBuf {
        self.0.join(STATE)
    }

    /// Returns the log of its stderr.
    pub fn log(&self) -> PathBuf {
        self.0.join(LOG)
    }
}

//! The settings that cannot change when a run goes on.

use serde::{Deserialize, Serialize};

/// The settings that determine a run's numbers, so they cannot change when the run goes on: their names and values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fixed(#[serde(with = "gradus_autograd::exact")] Vec<(String, String)>);

impl Fixed {
    pub(crate) fn new<const N: usize>(settings: [(&str, String); N]) -> Self {
        Fixed(settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().cloned()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Lists the settings that differ from those of a saved run, a line each.
    pub(crate) fn differences(&self, saved: &Self) -> Vec<String> {
        let others = saved.0.iter().filter(|(name, _)| self.get(name).is_none());
        let names = self.0.iter().chain(others).map(|(name, _)| name);
        let pairs = names.map(|name| (name, saved.get(name).unwrap_or("not set"), self.get(name).unwrap_or("not set")));
        let other = pairs.filter(|(_, saved, own)| saved != own);
        other.map(|(name, saved, own)| format!("\n  {name}: {saved} in the checkpoint, {own} here")).collect()
    }
}

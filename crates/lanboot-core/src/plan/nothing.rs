//! The reason where nothing of a catalog can be started.

use crate::catalog::Catalog;
use crate::loaders::NoLoader;

impl NoLoader {
    /// Returns the reason why nothing of this catalog can be started.
    pub fn nothing(catalog: &Catalog) -> Self {
        let incomplete = catalog.about_incomplete();
        incomplete.map_or(Self::NothingToBoot, Self::Incomplete)
    }
}

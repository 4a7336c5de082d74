//! The choice between the generated menu and that of an image.

/// The menu that machines see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MenuKind {
    /// The one made here, with every image.
    #[default]
    Generated,
    /// The default image's own, untouched.
    Stock,
}

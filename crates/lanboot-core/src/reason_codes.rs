//! Gives reasons their stable codes: what programs compare, while the text is for people.

/// Implements `code()` for an enum, and `CODES`, the list of everything it can return. The arms
/// after `or` pass on to the code of a reason inside.
macro_rules! reason_codes {
    ($type:ty {
        $($pattern:pat => $code:literal,)+
    } $(or {
        $($outer:pat => $inner:expr,)+
    })?) => {
        impl $type {
            /// Every code of its own that [`Self::code`] returns.
            pub const CODES: &'static [&'static str] = &[$($code),+];

            /// Returns the stable code of this reason, in `snake_case`.
            pub fn code(&self) -> &'static str {
                match self {
                    $($pattern => $code,)+
                    $($($outer => $inner,)+)?
                }
            }
        }
    };
}

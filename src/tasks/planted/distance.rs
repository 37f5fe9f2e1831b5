//! How far the answer lies from its position. Knows no file.

/// The outer taps of a kernel of 5 with dilation 2 (`dil_conv_5x5`): the one primitive that reaches so far, on both sides, in one
/// linear step. Behind a stem of three taps `sep_conv_3x3` and `dil_conv_3x3` end at 3; `sep_conv_5x5` gets there only through
/// its own ReLU, by two steps of 2 that leave none of its few channels for the other side (methods spec §4.1, §4.2).
pub const DISTANCE: usize = 4;

//! NinaPro DB5: muscle signals of 16 electrodes on a forearm, 18 gestures, 2D point.

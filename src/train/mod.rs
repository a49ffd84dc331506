//! THE fused trainer: it always trains K models; a solo run is a cohort of one.

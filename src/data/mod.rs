//! Real samples -> tensors: one file per on-disk format, one registry.

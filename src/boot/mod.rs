//! Runs images in QEMU, on a throw-away layer, and checks them from inside.

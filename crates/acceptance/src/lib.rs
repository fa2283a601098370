//! Tests of the whole that need libraries of their own: messages of the compiler and of panics, snapshots, and random
//! programs. They are a package apart, so that the examples of `gradus` are built without these libraries.

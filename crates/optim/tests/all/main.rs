//! The tests of the optimizers. They are one program, because each program compiles every optimizer anew.

mod convex;
mod descent;
mod resume;
mod rows;
mod running;
mod sam;

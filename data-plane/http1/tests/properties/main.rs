//! Properties over random messages: against itself, against hyper, and there and back.

mod hyper_agrees;
mod messages;
mod splits;
mod written;

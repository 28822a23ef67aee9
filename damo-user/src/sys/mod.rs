//! Every system call with a safety story.

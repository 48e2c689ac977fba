//! One suite of random and golden cases for every runtime

//! Runs a Program in one arena at the planned offsets

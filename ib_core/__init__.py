"""The mathematics of ibshift: arrays in, numbers out; no file, no clock, no logging."""

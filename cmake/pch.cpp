// Gives a precompiled header a target to live in.

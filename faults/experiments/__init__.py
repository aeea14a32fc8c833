"""One file per group of faults; each experiment is a function that `@experiment` registers."""

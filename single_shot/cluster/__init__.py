"""One training on several machines: the processes of a job, and how they watch over each other."""

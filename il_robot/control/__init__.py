"""The control path: the deadline loop, who drives a step, the ensembling of chunks, the one safety gate."""

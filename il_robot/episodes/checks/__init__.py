"""What can be wrong with an episode: each module knows one kind of fault and yields findings."""

"""The life of a run: build, train, resume, measure, choose tau, open."""

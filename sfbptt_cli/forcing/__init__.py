"""Training methods, one file each: where free rollouts start, and what is mixed into them.

From the window x_1 … x_{T+1} each predicts x_2 … x_{T+1}: predict, score, then force.
"""

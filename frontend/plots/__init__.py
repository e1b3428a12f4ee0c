"""Plots: pure functions from measurements to Plotly figures, one per measurement shape."""

"""What a check of a database reports, whatever keeps that.

report    problems and notes
rows      what rows are like, each on its own and those of a collection together
models    whether vectors are those that the model of their collection gives
"""

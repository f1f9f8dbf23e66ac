"""What rules and kernels are written with, whatever the operator: lanes, their dtypes and sizes.

- a scalar or a vector of equal lanes: ``lanes.py``; from and to memory: ``storage.py``; between dtypes: ``convert.py``
- float32 to integer by one addition: ``rounding.py``
- sizes in bytes and lanes: ``sizes.py``
"""

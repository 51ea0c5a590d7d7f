# Single crystals of copper in tension along x, and their slip systems' strength, hardening and rate fitted to them.
#
#     neml2-calibrate copper.i --plot copper.png
#
# The tests are synthetic (data.py): what is to be found is known.
!include ../crystals/tension.i

# the rate of deformation is given along x, all other stresses are zero, and the axis does not turn
pull = 'prescribed.xx=rate control.xx=1 vorticity.zy=0'

[Tensors]
  [along_001]
    type = Python
    expr = 'MRP(torch.tensor([0, math.tan(math.pi / 8), 0], dtype=torch.float64))'
  []
  [along_011]
    type = Python
    expr = 'MRP(torch.tensor([0, 0, math.tan(math.pi / 16)], dtype=torch.float64))'
  []
[]

[Calibration]
  [strength]
    type = FitParameter
    parameter = 'constant_strength'
    initial = 30
    lower = 2
    upper = 100
    transform = log
  []
  [slope]
    type = FitParameter
    parameter = 'initial_slope'
    initial = 100
    lower = 20
    upper = 1000
    transform = log
  []
  [saturated]
    type = FitParameter
    parameter = 'saturated_hardening'
    initial = 60
    lower = 20
    upper = 500
    transform = log
  []
  [n]
    type = FitParameter
    initial = 20
    lower = 3
    upper = 50
    transform = log
  []
  [cube]
    type = Experiment
    file = 'cube.csv'
    drive = ${pull}
    ic_MRP_names = 'orientation'
    ic_MRP_values = 'along_001'
  []
  [cube_fast]
    type = Experiment
    file = 'cube_fast.csv'
    drive = ${pull}
    ic_MRP_names = 'orientation'
    ic_MRP_values = 'along_001'
  []
  [edge]
    type = Experiment
    file = 'edge.csv'
    drive = ${pull}
    ic_MRP_names = 'orientation'
    ic_MRP_values = 'along_011'
  []
  [fit]
    type = LeastSquares
    model = 'model'
    parameters = 'strength slope saturated n'
    experiments = 'cube cube_fast edge'
    starts = 20
  []
[]

# The cyclic tests of steel.i, with a small network in the place of its law of isotropic hardening. The back stresses, yield
# stress and drag are known; what is left to the network is R (1 - exp(-d e)).
#
#     neml2-calibrate --load network.py network.i network_fit --plot network.png
!include steel.i

Models/rates/models := 'network kinharden mandel_stress overstress vonmises yield_surface normality flow_rate eprate Eprate
                        X1rate X2rate Erate Eerate elasticity
                        integrate_stress integrate_ep integrate_X1 integrate_X2 mixed'
Models/yield_surface/yield_stress := 100
Models/flow_rate/reference_stress := 150
Models/X1rate/C := 4e4
Models/X1rate/g := 500
Models/X2rate/C := 4e3
Models/X2rate/g := 25

[Models]
  [network]
    type = NetworkHardening
    weights = '10 10 10'
    slopes = '1 5 20'
  []
[]

[Calibration]
  [weights]
    type = FitParameter
    parameter = 'network.w_*'
    lower = -200
    upper = 200
  []
  [slopes]
    type = FitParameter
    parameter = 'network.b_*'
    lower = 0.1
    upper = 100
    transform = log
  []
  [network_fit]
    type = LeastSquares
    model = 'model'
    parameters = 'weights slopes'
    experiments = 'slow fast growing'
    starts = 4
    tolerance = 1e-4 # the weights of a network are not known apart, and need not be
  []
[]

# Power-law slip and one strength that saturates.
[Models]
  [slip]
    type = PowerLawSlipRule
    n = 8
    gamma0 = 0.2
  []
  [strength]
    type = SingleSlipStrengthMap
    constant_strength = 50
  []
  [hardening]
    type = VoceSingleSlipHardeningRule
    initial_slope = 500
    saturated_hardening = 50
  []
[]

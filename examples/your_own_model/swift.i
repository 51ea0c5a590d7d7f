[Models]
  [hardening]
    type = SwiftHardening
    K = 500
    eps0 = 0.002
    n = 0.2
  []
[]

[Drivers]
  [check]
    type = ModelUnitTest
    model = 'hardening'
    input_Scalar_names = 'equivalent_plastic_strain'
    input_Scalar_values = '0.05'
    output_Scalar_names = 'isotropic_hardening'
    output_Scalar_values = '132.532933151994'
  []
[]

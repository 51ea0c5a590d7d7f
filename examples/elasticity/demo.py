# SPDX-License-Identifier: MIT
"""The compiled elasticity model from Python: equal to eager, with derivatives and a mutable parameter."""

import torch

import neml2
from neml2.types import SR2

compiled = neml2.load_model("aoti/elasticity_aoti.i", "elasticity")
print(compiled)
print("inputs :", list(compiled.input_spec))
print("outputs:", list(compiled.output_spec))

eager = neml2.load_model("input.i", "elasticity")
strain = SR2(
    torch.tensor(
        [
            [0.01, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.005, -0.002, 0.0, 0.0, 0.0, 0.001],
        ],
        dtype=torch.float64,
    )
)
(stress_compiled,) = compiled(strain)
stress_eager = eager(strain)
print("compiled:", stress_compiled.data)
print("eager   :", stress_eager.data)
print("match   :", torch.allclose(stress_compiled.data, stress_eager.data, rtol=1e-12, atol=1e-12))

binding = compiled._inner  # the bare neml2.aoti.Model
strain_t = torch.zeros_like(strain.data)
strain_t[:, 0] = 1.0  # d(stress)/d(epsilon_xx)
out, jvp = binding.jvp({"strain": strain.data}, {"strain": strain_t})
print("output[stress] :", out["stress"][:, :3])
print("J @ v [stress] :", jvp["stress"][:, :3])

out, J = binding.jacobian({"strain": strain.data})
block = J["stress"]["strain"]
print("output[stress] :", out["stress"][:, :3])
print("J[stress][strain] :", tuple(block.shape))
print("first sample (6x6):\n", block[0])

m = neml2.load_model("aoti_promoted/elasticity_aoti.i", "elasticity")
(stress0,) = m(strain)
m._inner.named_parameters()["E"].fill_(100e3)
(stress1,) = m(strain)
print("initial E=200e3 stress[0,0]:", stress0.data[0, 0].item())
print("after   E=100e3 stress[0,0]:", stress1.data[0, 0].item())
print("ratio (expect 0.5):         ", (stress1.data[0, 0] / stress0.data[0, 0]).item())

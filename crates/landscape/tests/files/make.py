"""Makes curvature.json: the curvature of two small networks, by hessian-eigenthings 1.0.0a5 and PyHessian 0.1.

pip install torch hessian-eigenthings pyhessian; python make.py > curvature.json
"""

import json

import torch
from hessian_eigenthings import (EmpiricalFisherOperator, GGNOperator, HessianOperator, supervised_forward,
                                 supervised_loss, supervised_loss_of_output, supervised_per_sample_loss)
from pyhessian import hessian as pyhessian
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
EXAMPLES = 40


def network():
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    theta = 0.7 * torch.sin(1 + torch.arange(sum(p.numel() for p in model.parameters())))
    nn.utils.vector_to_parameters(theta, model.parameters())
    return model


i = torch.arange(EXAMPLES)[:, None]
x = torch.cos(0.3 * i + 1.7 * torch.arange(4)[None, :])
labels = torch.arange(EXAMPLES) % 3
targets = torch.sin(i + torch.arange(3)[None, :])


def dense(operator):
    return torch.stack([operator.matvec(unit) for unit in torch.eye(operator.size)])


cases = []
for name, y, criterion in [("cross_entropy", labels, nn.CrossEntropyLoss()), ("mse", targets, nn.MSELoss())]:
    model = network()
    batches = [(x, y)]
    operators = {
        "hessian": HessianOperator(model, batches, supervised_loss(criterion)),
        "gauss_newton": GGNOperator(model, batches, supervised_forward, supervised_loss_of_output(criterion)),
        "empirical_fisher": EmpiricalFisherOperator(model, batches, supervised_per_sample_loss(criterion)),
    }
    case = {"cost": name, "value": criterion(model(x), y).item()}
    v = torch.cos(torch.arange(operators["hessian"].size).double())
    for kind, operator in operators.items():
        matrix = dense(operator)
        case[kind] = {
            "eigenvalues": torch.linalg.eigvalsh((matrix + matrix.T) / 2).tolist(),
            "product": operator.matvec(v).tolist(),
        }
    comp = pyhessian(model, criterion, data=(x, y), cuda=False)
    values, _ = comp.eigenvalues(maxIter=5000, tol=1e-14, top_n=2)
    case["pyhessian_largest_magnitude"] = values
    cases.append(case)
print(json.dumps(cases, indent=1))

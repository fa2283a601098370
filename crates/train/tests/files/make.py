"""Makes the reference files of exchange.rs with PyTorch: python make.py (needs torch, numpy, safetensors)."""

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(7)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 4)
        self.gru = nn.GRU(4, 6, batch_first=True)
        self.norm = nn.LayerNorm(6)
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.bn = nn.BatchNorm2d(3)
        self.layers = nn.ModuleList([nn.Linear(90, 5), nn.Linear(5, 2, bias=False)])

    def forward(self, tokens):
        h, _ = self.gru(self.embed(tokens))
        h = self.norm(h).unsqueeze(1)
        h = self.bn(self.conv(h)).relu().flatten(1)
        return self.layers[1](self.layers[0](h).tanh())


net = Net()
tokens = torch.randint(0, 11, (3, 5))
for _ in range(4):  # so that the running statistics are not those of the start
    net(torch.randint(0, 11, (8, 5)))
with torch.no_grad():
    for p in net.parameters():
        p.add_(0.1 * torch.randn_like(p))
net.eval()
with torch.no_grad():
    outputs = net(tokens)
save_file({k: v.contiguous() for k, v in net.state_dict().items()}, "pytorch.safetensors")
np.savez("pytorch.npz", **{k: v.numpy() for k, v in net.state_dict().items()})
np.savez_compressed("pytorch_io.npz", tokens=tokens.numpy(), outputs=outputs.numpy())
half = {k: v.bfloat16() if k.startswith("embed") else v.half() for k, v in net.state_dict().items() if v.is_floating_point()}
save_file(half, "pytorch_half.safetensors")

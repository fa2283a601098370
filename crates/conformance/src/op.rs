//! Cases of kinds `op`, `loss` and `hvp`.

use gradus_autograd::{Convolution, Pooling, Tape, Var, concat, einsum, kept, stack, where_};
use gradus_nn::Reduction;
use gradus_nn::loss::{self, BinaryCrossEntropy, CrossEntropy};
use ndarray::{ArrayD, SliceInfoElem};
use serde_json::{Map, Value};

use crate::encoding::{array, encode, encode_array, flag, get, integer, integers, list, number, text};
use crate::{Outcome, Stop, missing, unsupported};

/// An input of a case on the tape.
struct Input<'t> {
    name: String,
    leaf: Var<'t, f64>,
    operand: Var<'t, f64>,
    differentiated: bool,
    /// the numbers of an integer input, as indices
    places: Option<ArrayD<usize>>,
    floating: bool,
}

struct Inputs<'t>(Vec<Input<'t>>);

impl<'t> Inputs<'t> {
    fn read(tape: &'t Tape<f64>, case: &Value) -> Result<Self, Stop> {
        let mut inputs: Vec<Input<'t>> = Vec::new();
        for input in list(case, "inputs")? {
            let differentiated = input["grad"].as_bool().unwrap_or(false);
            let dtype = input["dtype"].as_str().unwrap_or("f64");
            let mut places = None;
            let leaf = match input["same_as"].as_u64() {
                Some(k) => inputs[k as usize].leaf,
                None => {
                    let array = array(input)?;
                    if dtype == "i64" {
                        places = Some(array.mapv(|x| x.max(0.0) as usize));
                    }
                    if differentiated { tape.var(array) } else { tape.constant(array) }
                }
            };
            let operand = match integers(&input["permute"]) {
                Some(axes) => leaf.permute(&*axes.iter().map(|&a| a as isize).collect::<Vec<_>>()),
                None => leaf,
            };
            let name = text(input, "name")?.to_owned();
            inputs.push(Input { name, leaf, operand, differentiated, places, floating: dtype == "f64" });
        }
        Ok(Inputs(inputs))
    }

    fn find(&self, name: &str) -> Option<&Input<'t>> {
        self.0.iter().find(|i| i.name == name)
    }

    fn get(&self, name: &str) -> Result<Var<'t, f64>, Stop> {
        self.find(name).map(|i| i.operand).ok_or_else(|| missing(name))
    }

    fn places(&self, name: &str) -> Result<&ArrayD<usize>, Stop> {
        self.find(name).and_then(|i| i.places.as_ref()).ok_or_else(|| missing(name))
    }

    /// All inputs whose names start with `prefix`, in order.
    fn several(&self, prefix: &str) -> Vec<Var<'t, f64>> {
        self.0.iter().filter(|i| i.name.starts_with(prefix)).map(|i| i.operand).collect()
    }

    /// The sum over the outputs, `Σ cotangent ⊙ output`.
    fn cost(&self, case: &Value, outputs: &[Var<'t, f64>]) -> Result<Option<Var<'t, f64>>, Stop> {
        let mut cost: Option<Var<'t, f64>> = None;
        for (output, cotangent) in outputs.iter().zip(list(case, "grad_outputs")?) {
            if !cotangent.is_null() {
                let term = (*output * &array(cotangent)?).sum();
                cost = Some(cost.map_or(term, |sum| sum + term));
            }
        }
        Ok(cost)
    }
}

pub(crate) fn gradients(case: &Value) -> Outcome {
    let tape = Tape::mathematics();
    let inputs = Inputs::read(&tape, case)?;
    let outputs = evaluate(case, &inputs)?;
    let cost = inputs.cost(case, &outputs)?;
    let gradients = cost.filter(|_| inputs.0.iter().any(|i| i.differentiated)).map(Var::backward);
    let grads = inputs.0.iter().map(|input| match (&gradients, input.differentiated) {
        (_, false) => Value::Null,
        (Some(gradients), true) => encode_array(&gradients.wrt(input.leaf)),
        (None, true) => encode_array(&ArrayD::zeros(input.leaf.shape())),
    });
    let mut result = Map::new();
    result.insert("grads".into(), grads.collect());
    result.insert("outputs".into(), outputs.iter().map(|y| encode(y.shape(), y.data())).collect());
    Ok(result)
}

pub(crate) fn hessian_vector_product(case: &Value) -> Outcome {
    let tape = Tape::mathematics();
    let inputs = Inputs::read(&tape, case)?;
    let outputs = evaluate(case, &inputs)?;
    let leaves: Vec<Var<'_, f64>> = inputs.0.iter().filter(|i| i.differentiated).map(|i| i.leaf).collect();
    let directions = list(case, "directions")?.iter().filter(|d| !d.is_null()).map(array);
    let directions = directions.collect::<Result<Vec<_>, _>>()?;
    let cost = inputs.cost(case, &outputs)?.ok_or_else(|| missing("grad_outputs"))?;
    let gradients = cost.grad_many(&leaves);
    let slope = gradients.iter().zip(&directions).map(|(&g, d)| (g * d).sum()).reduce(|sum, s| sum + s);
    let products = slope.ok_or_else(|| missing("inputs"))?.backward();
    let products = inputs.0.iter().map(|input| match input.differentiated {
        true => encode_array(&products.wrt(input.leaf)),
        false => Value::Null,
    });
    Ok(Map::from_iter([("hvp".to_owned(), products.collect())]))
}

fn axes(value: &Value, ndim: usize) -> Result<Vec<isize>, Stop> {
    match value {
        Value::Null => Ok((0..ndim as isize).collect()),
        Value::Number(n) => Ok(vec![n.as_i64().ok_or_else(|| missing("dim"))? as isize]),
        _ => Ok(integers(value).ok_or_else(|| missing("dim"))?.iter().map(|&a| a as isize).collect()),
    }
}

fn usizes(args: &Value, field: &str) -> Result<Vec<usize>, Stop> {
    Ok(integers(&args[field]).ok_or_else(|| missing(field))?.iter().map(|&n| n as usize).collect())
}

fn reduction(args: &Value) -> Result<Reduction, Stop> {
    match text(args, "reduction")? {
        "mean" => Ok(Reduction::Mean),
        "sum" => Ok(Reduction::Sum),
        "none" => Ok(Reduction::None),
        other => unsupported(format!("reduction {other}")),
    }
}

/// Computes the outputs of the operation or loss that the case names.
fn evaluate<'t>(case: &Value, inputs: &Inputs<'t>) -> Result<Vec<Var<'t, f64>>, Stop> {
    let (name, args) = (text(case, "name")?, &case["args"]);
    let x = || inputs.get("input");
    let two = || Ok::<_, Stop>((inputs.get("input")?, inputs.get("other")?));
    let dim = || Ok::<_, Stop>(integer(args, "dim")? as isize);
    let one = match name {
        "neg" => -x()?,
        "exp" => x()?.exp(),
        "log" => x()?.ln(),
        "log1p" => x()?.ln_1p(),
        "expm1" => x()?.exp_m1(),
        "sqrt" => x()?.sqrt(),
        "rsqrt" => x()?.rsqrt(),
        "abs" => x()?.abs(),
        "sin" => x()?.sin(),
        "cos" => x()?.cos(),
        "tan" => x()?.tan(),
        "asin" => x()?.asin(),
        "acos" => x()?.acos(),
        "atan" => x()?.atan(),
        "sinh" => x()?.sinh(),
        "cosh" => x()?.cosh(),
        "tanh" => x()?.tanh(),
        "erf" => x()?.erf(),
        "relu" => x()?.relu(),
        "sign" => x()?.sign(),
        "reciprocal" => x()?.recip(),
        "square" => x()?.square(),
        "sigmoid" => x()?.sigmoid(),
        "silu" => x()?.silu(),
        "softsign" => x()?.softsign(),
        "logsigmoid" => x()?.logsigmoid(),
        "mish" => x()?.mish(),
        "leaky_relu" => x()?.leaky_relu(get(args, "negative_slope")?),
        "elu" => x()?.elu(get(args, "alpha")?),
        "selu" => x()?.selu(),
        "gelu" => match text(args, "approximate")? {
            "none" => x()?.gelu(),
            _ => x()?.gelu_tanh(),
        },
        "softplus" => {
            let (x, beta, threshold) = (x()?, get(args, "beta")?, get(args, "threshold")?);
            where_((x * beta).gt(threshold), x, (x * beta).softplus() / beta)
        }
        "clamp" | "hardtanh" => {
            let names = if name == "clamp" { ["min", "max"] } else { ["min_val", "max_val"] };
            let [low, high] = names.map(|n| number(&args[n]));
            x()?.clamp(low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY))
        }
        "add" => two().map(|(a, b)| a + b)?,
        "sub" => two().map(|(a, b)| a - b)?,
        "mul" => two().map(|(a, b)| a * b)?,
        "div" => two().map(|(a, b)| a / b)?,
        "maximum" => two().map(|(a, b)| a.maximum(b))?,
        "minimum" => two().map(|(a, b)| a.minimum(b))?,
        "pow" => match inputs.find("exponent") {
            Some(exponent) => x()?.pow(exponent.operand),
            None => x()?.pow(get(args, "exponent")?),
        },
        "where" => where_(inputs.get("condition")?, x()?, inputs.get("other")?),
        "masked_fill" => where_(inputs.get("mask")?, get(args, "value")?, x()?),
        "sum" | "mean" | "amax" | "amin" | "logsumexp" | "var" | "std" | "prod" | "norm" => {
            let x = x()?;
            let axes = axes(&args["dim"], x.ndim())?;
            let axes = axes.as_slice();
            match (name, flag(args, "keepdim")?) {
                ("sum", true) => x.sum_axis(kept(axes)),
                ("sum", false) => x.sum_axis(axes),
                ("mean", true) => x.mean_axis(kept(axes)),
                ("mean", false) => x.mean_axis(axes),
                ("amax", true) => x.amax_axis(kept(axes)),
                ("amax", false) => x.amax_axis(axes),
                ("amin", true) => x.amin_axis(kept(axes)),
                ("amin", false) => x.amin_axis(axes),
                ("logsumexp", true) => x.logsumexp_axis(kept(axes)),
                ("logsumexp", false) => x.logsumexp_axis(axes),
                ("var", true) => x.var_axis(kept(axes), get(args, "correction")?),
                ("var", false) => x.var_axis(axes, get(args, "correction")?),
                ("std", true) => x.std_axis(kept(axes), get(args, "correction")?),
                ("std", false) => x.std_axis(axes, get(args, "correction")?),
                ("prod", true) => x.prod_axis(kept(axes)),
                ("prod", false) => x.prod_axis(axes),
                (_, true) => x.norm_axis(kept(axes), get(args, "p")?),
                (_, false) => x.norm_axis(axes, get(args, "p")?),
            }
        }
        "max" | "min" => {
            let (value, places) = if name == "max" { x()?.max(dim()?) } else { x()?.min(dim()?) };
            let both = [value, x()?.tape().constant(places.mapv(|i| i as f64))];
            return keeping(both, flag(args, "keepdim")?, dim()?);
        }
        "softmax" => x()?.softmax(dim()?),
        "cumsum" => x()?.cumsum(dim()?),
        "log_softmax" => x()?.log_softmax(dim()?),
        "argmax" => {
            let x = x()?;
            let (flat, dim) = if args["dim"].is_null() { (x.flatten(), 0) } else { (x, dim()?) };
            let places = x.tape().constant(flat.argmax(dim).mapv(|i| i as f64));
            match (args["dim"].is_null(), flag(args, "keepdim")?) {
                (true, true) => places.reshape(vec![1; x.ndim()].as_slice()),
                (false, true) => places.unsqueeze(dim),
                _ => places,
            }
        }
        "matmul" => two().map(|(a, b)| a.matmul(b))?,
        "dot" => two().map(|(a, b)| a.dot(b))?,
        "outer" => two().map(|(a, b)| a.outer(b))?,
        "einsum" => einsum(text(args, "equation")?, &inputs.several("operands.")),
        "linear" => match inputs.find("bias") {
            Some(bias) => x()?.linear(inputs.get("weight")?, bias.operand),
            None => x()?.matmul(inputs.get("weight")?.t()),
        },
        "transpose" => x()?.transpose(integer(args, "dim0")? as isize, integer(args, "dim1")? as isize),
        "permute" => x()?.permute(axes(&args["dims"], 0)?.as_slice()),
        "reshape" => {
            let x = x()?;
            let sizes = integers(&args["shape"]).ok_or_else(|| missing("shape"))?;
            let known: i64 = sizes.iter().filter(|&&s| s >= 0).product();
            let rest = if known > 0 { x.len() as i64 / known } else { 0 };
            let sizes: Vec<usize> = sizes.iter().map(|&s| if s < 0 { rest } else { s } as usize).collect();
            x.reshape(sizes.as_slice())
        }
        "broadcast_to" => x()?.broadcast_to(&usizes(args, "shape")?),
        "narrow" => x()?.narrow(dim()?, integer(args, "start")? as usize, integer(args, "length")? as usize),
        "slice" => {
            let part = |s: &Value| {
                let s = integers(s)?;
                Some(SliceInfoElem::Slice { start: s[0] as isize, end: Some(s[1] as isize), step: s[2] as isize })
            };
            let parts = list(args, "slices")?.iter().map(part).collect::<Option<Vec<_>>>();
            x()?.slice(parts.ok_or_else(|| missing("slices"))?)
        }
        "flip" => x()?.flip(axes(&args["dims"], 0)?.as_slice()),
        "pad" => {
            let pair = |w: &Value| integers(w).and_then(|w| Some([*w.first()? as usize, *w.get(1)? as usize]));
            let widths = list(args, "pad")?.iter().map(pair).collect::<Option<Vec<_>>>();
            x()?.pad(&widths.ok_or_else(|| missing("pad"))?, get(args, "value")?)
        }
        "concat" => concat(&inputs.several("tensors."), dim()?),
        "stack" => stack(&inputs.several("tensors."), dim()?),
        "split" => {
            let (x, dim, size) = (x()?, dim()?, integer(args, "split_size")? as usize);
            let axis = if dim < 0 { dim + x.ndim() as isize } else { dim } as usize;
            let len = x.shape()[axis];
            return Ok((0..len).step_by(size).map(|start| x.narrow(dim, start, size.min(len - start))).collect());
        }
        "index_select" => {
            let index: Vec<usize> = inputs.places("index")?.iter().copied().collect();
            x()?.index_select(dim()?, &index)
        }
        "gather" => x()?.gather(dim()?, inputs.places("index")?),
        "scatter_add" => x()?.scatter_add(dim()?, inputs.places("index")?, inputs.get("src")?),
        "embedding" => inputs.get("weight")?.embedding(inputs.places("input")?),
        "conv2d" => {
            let settings = Convolution {
                stride: pair(args, "stride")?,
                padding: pair(args, "padding")?,
                dilation: pair(args, "dilation")?,
                groups: integer(args, "groups")? as usize,
            };
            let y = x()?.conv2d(inputs.get("weight")?, settings);
            match inputs.find("bias") {
                Some(bias) => y + bias.operand.reshape([-1, 1, 1]),
                None => y,
            }
        }
        "max_pool2d" | "avg_pool2d" => {
            let pooling = Pooling {
                kernel: pair(args, "kernel_size")?,
                stride: pair(args, "stride")?,
                padding: pair(args, "padding")?,
                count_padding: flag(args, "count_include_pad").unwrap_or(true),
            };
            if name == "max_pool2d" { x()?.max_pool2d(pooling) } else { x()?.avg_pool2d(pooling) }
        }
        "layer_norm" => {
            let y = x()?.layer_norm(usizes(args, "normalized_shape")?.len(), get(args, "eps")?);
            let y = inputs.find("weight").map_or(y, |weight| y * weight.operand);
            inputs.find("bias").map_or(y, |bias| y + bias.operand)
        }
        "batch_norm" => return batch_norm(case, inputs),
        "mse_loss" => loss::mse(x()?, inputs.get("target")?, reduction(args)?),
        "cross_entropy" => labelled(case, inputs)?,
        "l1_loss" => loss::l1(x()?, inputs.get("target")?, reduction(args)?),
        "smooth_l1_loss" => loss::smooth_l1(x()?, inputs.get("target")?, get(args, "beta")?, reduction(args)?),
        "huber_loss" => loss::huber(x()?, inputs.get("target")?, get(args, "delta")?, reduction(args)?),
        "nll_loss" => labelled(case, inputs)?,
        "binary_cross_entropy_with_logits" => {
            let array = |name| inputs.find(name).map(|input| input.operand.value().to_owned());
            let mut cost = BinaryCrossEntropy::new().reduction(reduction(args)?);
            cost = array("weight").into_iter().fold(cost, BinaryCrossEntropy::weight);
            cost = array("pos_weight").into_iter().fold(cost, BinaryCrossEntropy::positive_weight);
            cost.of(x()?, inputs.get("target")?)
        }
        "binary_cross_entropy" => {
            let target = inputs.get("target")?;
            match inputs.find("weight") {
                None => loss::binary_cross_entropy_of_probabilities(x()?, target, reduction(args)?),
                Some(weight) => {
                    let each = loss::binary_cross_entropy_of_probabilities(x()?, target, Reduction::None);
                    reduction(args)?.apply(each * weight.operand)
                }
            }
        }
        "kl_div" => {
            let (x, target) = (x()?, inputs.get("target")?);
            let log_target = flag(args, "log_target")?;
            match text(args, "reduction")? {
                "batchmean" => loss::kl_div(x, target, log_target, Reduction::Sum) / x.shape()[0] as f64,
                _ => loss::kl_div(x, target, log_target, reduction(args)?),
            }
        }
        "hinge_embedding_loss" => {
            loss::hinge_embedding(x()?, inputs.get("target")?, get(args, "margin")?, reduction(args)?)
        }
        "soft_margin_loss" => loss::soft_margin(x()?, inputs.get("target")?, reduction(args)?),
        _ => return unsupported(format!("no {name}")),
    };
    Ok(vec![one])
}

/// The outputs, with the reduced axis put back if `keep` is set.
fn keeping<'t>(outputs: [Var<'t, f64>; 2], keep: bool, dim: isize) -> Result<Vec<Var<'t, f64>>, Stop> {
    Ok(outputs.into_iter().map(|y| if keep { y.unsqueeze(dim) } else { y }).collect())
}

fn pair(args: &Value, field: &str) -> Result<[usize; 2], Stop> {
    usizes(args, field)?.try_into().map_err(|_| missing(field))
}

/// Computes batch normalisation and its running statistics.
fn batch_norm<'t>(case: &Value, inputs: &Inputs<'t>) -> Result<Vec<Var<'t, f64>>, Stop> {
    let (x, args) = (inputs.get("input")?, &case["args"]);
    let (training, momentum, eps) = (flag(args, "training")?, get(args, "momentum")?, get(args, "eps")?);
    let others: Vec<isize> = (0..x.ndim() as isize).filter(|&k| k != 1).collect();
    let sizes: Vec<usize> = (0..x.ndim()).map(|k| if k == 1 { x.shape()[1] } else { 1 }).collect();
    let channels = |v: Var<'t, f64>| v.reshape(sizes.as_slice());
    let running = inputs.find("running_mean").zip(inputs.find("running_var")).map(|(m, v)| (m.operand, v.operand));
    let y = match running {
        Some((mean, variance)) if !training => (x - channels(mean)) * (channels(variance) + eps).rsqrt(),
        _ => x.batch_norm(eps),
    };
    let y = inputs.find("weight").map_or(y, |weight| y * channels(weight.operand));
    let y = inputs.find("bias").map_or(y, |bias| y + channels(bias.operand));
    let Some((mean, variance)) = running else { return Ok(vec![y]) };
    if !training {
        return Ok(vec![y, mean, variance]);
    }
    let moved = |old: Var<'t, f64>, batch: Var<'t, f64>| old * (1.0 - momentum) + batch.detach() * momentum;
    let (batch_mean, batch_variance) = (x.mean_axis(others.as_slice()), x.var_axis(others.as_slice(), 1.0));
    Ok(vec![y, moved(mean, batch_mean), moved(variance, batch_variance)])
}

/// Computes cross-entropy or the negative log-likelihood.
fn labelled<'t>(case: &Value, inputs: &Inputs<'t>) -> Result<Var<'t, f64>, Stop> {
    let (args, name) = (&case["args"], text(case, "name")?);
    let (x, target) = (inputs.get("input")?, inputs.find("target").ok_or_else(|| missing("target"))?);
    let mut cost = CrossEntropy::new().reduction(reduction(args)?);
    if let Some(weight) = inputs.find("weight") {
        cost = cost.class_weights(weight.operand.data());
    }
    if let Some(smoothing) = number(&args["label_smoothing"]) {
        cost = cost.label_smoothing(smoothing);
    }
    if target.floating {
        return Ok(cost.of_probabilities(x, target.operand));
    }
    // labels cannot be below 0 here; a negative label, which is only valid if it is the ignored one, becomes
    // `usize::MAX`
    let ignored = integer(args, "ignore_index")?;
    let integers: Vec<i64> = target.operand.data().iter().map(|&label| label as i64).collect();
    let labels: Vec<usize> = integers.iter().map(|&label| usize::try_from(label).unwrap_or(usize::MAX)).collect();
    if integers.contains(&ignored) {
        cost = cost.ignore(usize::try_from(ignored).unwrap_or(usize::MAX));
    }
    Ok(if name == "nll_loss" { cost.of_log_probabilities(x, &labels) } else { cost.of(x, &labels) })
}

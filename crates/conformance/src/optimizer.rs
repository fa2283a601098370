//! Cases of kind `optimizer`, and the code that `training` cases share with them.

use gradus_autograd::{Gradients, Module, Param, Tape, Var};
use gradus_optim::{Descent, Lbfgs, Optimizer, Rule, Schedule, rules};
use ndarray::ArrayD;
use serde_json::{Map, Value, json};

use crate::encoding::{array, arrays, encode, flag, get, list, text};
use crate::{Outcome, Stop, missing, unsupported};

/// Computes the cost and its gradients at a model.
pub(crate) type Evaluate<'e, M> = dyn FnMut(&M) -> (f64, Gradients<f64>) + 'e;

/// An optimizer of any kind.
pub(crate) trait Any<M> {
    fn step(&mut self, model: &mut M, evaluate: &mut Evaluate<'_, M>);
}

impl<O: Descent<f64>, M: Module<f64>> Any<M> for O {
    fn step(&mut self, model: &mut M, evaluate: &mut Evaluate<'_, M>) {
        self.descend(model, evaluate);
    }
}

fn pair(args: &Value, field: &str) -> Result<(f64, f64), Stop> {
    let pair = list(args, field)?;
    match (pair.first().and_then(Value::as_f64), pair.get(1).and_then(Value::as_f64)) {
        (Some(a), Some(b)) => Ok((a, b)),
        _ => Err(missing(field)),
    }
}

fn adam(args: &Value) -> Result<rules::Adam, Stop> {
    let (betas, eps) = (pair(args, "betas")?, get(args, "eps")?);
    Ok(rules::Adam { betas, eps, weight_decay: get(args, "weight_decay")?, amsgrad: flag(args, "amsgrad")? })
}

/// The settings from which an optimizer is made, beside its name.
pub(crate) struct Setting<'a> {
    pub(crate) args: &'a Value,
    /// groups of parameters, given by their paths, with settings of their own
    pub(crate) groups: &'a [(Vec<String>, Value)],
    pub(crate) clip: &'a Value,
    pub(crate) schedule: Schedule,
}

impl Setting<'_> {
    fn build<R: Rule, M: Module<f64>>(self, read: impl Fn(&Value) -> Result<R, Stop>) -> Result<Box<dyn Any<M>>, Stop> {
        let Setting { args, groups, clip, schedule } = self;
        let mut optimizer = Optimizer::with_rule(get(args, "lr")?, read(args)?).schedule(schedule);
        for (paths, own) in groups {
            let mut merged = args.clone();
            if let (Some(merged), Some(own)) = (merged.as_object_mut(), own.as_object()) {
                merged.extend(own.clone());
            }
            let (lr, rule) = (get(&merged, "lr")?, read(&merged)?);
            for path in paths {
                optimizer = optimizer.group(path, |group| group.lr(lr).rule(rule.clone()));
            }
        }
        Ok(Box::new(match clip["type"].as_str() {
            None => optimizer,
            Some("norm") => optimizer.clip_norm(get(clip, "max_norm")?),
            Some("value") => optimizer.clip_value(get(clip, "clip_value")?),
            Some(other) => return unsupported(format!("clipping by {other}")),
        }))
    }

    /// Makes the optimizer of the given name.
    pub(crate) fn optimizer<M: Module<f64>>(self, name: &str) -> Result<Box<dyn Any<M>>, Stop> {
        let decay = |args: &Value| get(args, "weight_decay");
        match name {
            "sgd" => self.build(|args| {
                Ok(rules::Sgd {
                    momentum: get(args, "momentum")?,
                    dampening: get(args, "dampening")?,
                    nesterov: flag(args, "nesterov")?,
                    weight_decay: decay(args)?,
                })
            }),
            "adam" => self.build(adam),
            "adamw" => self.build(|args| {
                let rules::Adam { betas, eps, weight_decay, amsgrad } = adam(args)?;
                Ok(rules::AdamW { betas, eps, weight_decay, amsgrad })
            }),
            "adagrad" => self.build(|args| {
                Ok(rules::Adagrad {
                    lr_decay: get(args, "lr_decay")?,
                    initial_accumulator_value: get(args, "initial_accumulator_value")?,
                    eps: get(args, "eps")?,
                    weight_decay: decay(args)?,
                })
            }),
            "adadelta" => self.build(|args| {
                Ok(rules::Adadelta { rho: get(args, "rho")?, eps: get(args, "eps")?, weight_decay: decay(args)? })
            }),
            "rmsprop" => self.build(|args| {
                Ok(rules::RmsProp {
                    alpha: get(args, "alpha")?,
                    eps: get(args, "eps")?,
                    momentum: get(args, "momentum")?,
                    centered: flag(args, "centered")?,
                    weight_decay: decay(args)?,
                })
            }),
            "nadam" => self.build(|args| {
                Ok(rules::NAdam {
                    betas: pair(args, "betas")?,
                    eps: get(args, "eps")?,
                    momentum_decay: get(args, "momentum_decay")?,
                    weight_decay: decay(args)?,
                })
            }),
            "radam" => self.build(|args| {
                Ok(rules::RAdam { betas: pair(args, "betas")?, eps: get(args, "eps")?, weight_decay: decay(args)? })
            }),
            "adamax" => self.build(|args| {
                Ok(rules::Adamax { betas: pair(args, "betas")?, eps: get(args, "eps")?, weight_decay: decay(args)? })
            }),
            "rprop" => {
                self.build(|args| Ok(rules::Rprop { etas: pair(args, "etas")?, step_sizes: pair(args, "step_sizes")? }))
            }
            "asgd" => self.build(|args| {
                let [lambd, alpha, t0] = [get(args, "lambd")?, get(args, "alpha")?, get(args, "t0")?];
                Ok(rules::Asgd { lambd, alpha, t0, weight_decay: decay(args)? })
            }),
            "adafactor" => self.build(|args| {
                let eps = list(args, "eps")?;
                let least = eps.get(1).and_then(Value::as_f64).ok_or_else(|| missing("eps"))?;
                Ok(rules::Adafactor {
                    beta2_decay: get(args, "beta2_decay")?,
                    eps: (eps[0].as_f64(), least),
                    clip_threshold: get(args, "d")?,
                    weight_decay: decay(args)?,
                })
            }),
            "lion" => self.build(|args| Ok(rules::Lion { betas: pair(args, "betas")?, weight_decay: decay(args)? })),
            "lbfgs" => {
                let args = self.args;
                let [max_iter, max_eval, history] = ["max_iter", "max_eval", "history_size"]
                    .map(|field| args[field].as_u64().ok_or_else(|| missing(field)).map(|n| n as usize));
                let lbfgs = Lbfgs::new(get(args, "lr")?)
                    .max_iter(max_iter?)
                    .max_eval(max_eval?)
                    .history_size(history?)
                    .tolerance_grad(get(args, "tolerance_grad")?)
                    .tolerance_change(get(args, "tolerance_change")?);
                match args["line_search_fn"].as_str() {
                    None => Ok(Box::new(lbfgs.line_search(false))),
                    Some("strong_wolfe") => Ok(Box::new(lbfgs)),
                    Some(other) => unsupported(format!("line search {other}")),
                }
            }
            _ => unsupported(format!("no {name}")),
        }
    }
}

pub(crate) fn run(case: &Value) -> Outcome {
    let mut params: Vec<Param<f64>> = arrays(case, "params")?.into_iter().map(Param::new).collect();
    let mut groups = Vec::new();
    for group in case["groups"].as_array().into_iter().flatten() {
        let members = list(group, "params")?.iter().filter_map(Value::as_u64).map(|i| i.to_string());
        groups.push((members.collect(), group["args"].clone()));
    }
    let (args, clip) = (&case["args"], &case["clip"]);
    let setting = Setting { args, groups: &groups, clip, schedule: gradus_optim::constant() };
    let mut optimizer = setting.optimizer(text(case, "name")?)?;
    let objective = Objective::read(&case["objective"])?;
    let record: Vec<u64> = list(case, "record_at")?.iter().filter_map(Value::as_u64).collect();
    let mut tape = Tape::mathematics();
    let mut recorded = Vec::new();
    for step in 0..=record.last().copied().unwrap_or(0) {
        if record.contains(&step) {
            recorded.push(json!(params.iter().map(|p| encode(p.shape(), p.data())).collect::<Vec<_>>()));
        }
        optimizer.step(&mut params, &mut |params: &Vec<Param<f64>>| {
            tape.gradients(|t| {
                let vars: Vec<Var<'_, f64>> = params.iter().map(|p| t.param(p)).collect();
                objective.cost(step as usize, &vars)
            })
        });
    }
    Ok(Map::from_iter([("params".to_owned(), Value::Array(recorded))]))
}

/// The function that is minimized.
enum Objective {
    Given(Vec<Vec<ArrayD<f64>>>),
    Quadratic { a: ArrayD<f64>, b: ArrayD<f64> },
    Rosenbrock,
    Mlp { x: ArrayD<f64>, y: ArrayD<f64>, activation: String },
}

/// Computes f = Σ 100 (θᵢ₊₁ − θᵢ²)² + (1 − θᵢ)².
pub(crate) fn rosenbrock(theta: Var<'_, f64>) -> Var<'_, f64> {
    let n = theta.len();
    let (first, next) = (theta.narrow(0, 0, n - 1), theta.narrow(0, 1, n - 1));
    (100.0 * (next - first.square()).square() + (1.0 - first).square()).sum()
}

/// The mean squared error of an MLP of one hidden layer.
pub(crate) fn mlp_cost<'t>(
    [w1, b1, w2, b2]: [Var<'t, f64>; 4],
    (x, y): (&ArrayD<f64>, &ArrayD<f64>),
    activation: &str,
) -> Result<Var<'t, f64>, Stop> {
    let hidden = w1.tape().constant(x).linear(w1, b1);
    Ok((activate(activation, hidden)?.linear(w2, b2) - y).square().mean())
}

pub(crate) fn activate<'t>(name: &str, x: Var<'t, f64>) -> Result<Var<'t, f64>, Stop> {
    match name {
        "tanh" => Ok(x.tanh()),
        "relu" => Ok(x.relu()),
        "sigmoid" => Ok(x.sigmoid()),
        _ => unsupported(format!("no activation {name}")),
    }
}

impl Objective {
    fn read(value: &Value) -> Result<Self, Stop> {
        Ok(match text(value, "name")? {
            "given" => {
                let steps = list(value, "grads")?.iter();
                let grads = steps.map(|s| s.as_array().ok_or_else(|| missing("grads"))?.iter().map(array).collect());
                Objective::Given(grads.collect::<Result<_, _>>()?)
            }
            "quadratic" => Objective::Quadratic { a: array(&value["A"])?, b: array(&value["b"])? },
            "rosenbrock" => Objective::Rosenbrock,
            "mlp" => Objective::Mlp {
                x: array(&value["x"])?,
                y: array(&value["y"])?,
                activation: text(value, "activation")?.to_owned(),
            },
            other => return unsupported(format!("no objective {other}")),
        })
    }

    fn cost<'t>(&self, step: usize, params: &[Var<'t, f64>]) -> Var<'t, f64> {
        match self {
            // a linear function, because its gradient is the given one
            Objective::Given(grads) => {
                let none = Vec::new();
                let terms = params.iter().zip(grads.get(step).unwrap_or(&none)).map(|(&p, g)| (p * g).sum());
                terms.reduce(|sum, term| sum + term).unwrap_or_else(|| params[0].sum())
            }
            Objective::Quadratic { a, b } => {
                let theta = params[0];
                let tape = theta.tape();
                0.5 * theta.matmul(tape.constant(a).matmul(theta)) - theta.matmul(b)
            }
            Objective::Rosenbrock => rosenbrock(params[0]),
            Objective::Mlp { x, y, activation } => {
                mlp_cost([params[0], params[1], params[2], params[3]], (x, y), activation).expect("a known activation")
            }
        }
    }
}

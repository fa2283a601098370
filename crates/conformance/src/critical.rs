//! Cases of kind `critical_point`.

use gradus_autograd::{Var, hessian, value_and_grad};
use ndarray::{Array1, ArrayD, Ix1, s};
use serde_json::{Map, Value, json};

use crate::encoding::{array, encode, encode_number, get, text};
use crate::optimizer::{mlp_cost, rosenbrock};
use crate::{Outcome, Stop, missing, unsupported};

/// A scalar function of one vector.
enum Function {
    OneWeightPair { x: f64, y: f64 },
    WeightChain { x: f64, y: f64 },
    Quadratic { a: ArrayD<f64>, b: ArrayD<f64> },
    MonkeySaddle,
    Rosenbrock,
    Himmelblau,
    DoubleWell,
    Quartic,
    SineProduct,
    MatrixFactorization { m: ArrayD<f64>, rank: usize },
    Mlp { x: ArrayD<f64>, y: ArrayD<f64>, hidden: usize, activation: String },
    LogisticRegression { x: ArrayD<f64>, y: ArrayD<f64>, l2: f64 },
}

impl Function {
    fn read(f: &Value) -> Result<Self, Stop> {
        let size = |field: &str| f[field].as_u64().map(|n| n as usize).ok_or_else(|| missing(field));
        Ok(match text(f, "name")? {
            "one_weight_pair" => Function::OneWeightPair { x: get(f, "x")?, y: get(f, "y")? },
            "weight_chain" => Function::WeightChain { x: get(f, "x")?, y: get(f, "y")? },
            "quadratic" => Function::Quadratic { a: array(&f["A"])?, b: array(&f["b"])? },
            "monkey_saddle" => Function::MonkeySaddle,
            "rosenbrock" => Function::Rosenbrock,
            "himmelblau" => Function::Himmelblau,
            "double_well" => Function::DoubleWell,
            "quartic" => Function::Quartic,
            "sine_product" => Function::SineProduct,
            "matrix_factorization" => Function::MatrixFactorization { m: array(&f["M"])?, rank: size("rank")? },
            "mlp" => Function::Mlp {
                x: array(&f["x"])?,
                y: array(&f["y"])?,
                hidden: size("hidden")?,
                activation: text(f, "activation")?.to_owned(),
            },
            "logistic_regression" => {
                Function::LogisticRegression { x: array(&f["x"])?, y: array(&f["y"])?, l2: get(f, "l2")? }
            }
            other => return unsupported(format!("no function {other}")),
        })
    }

    fn at<'t>(&self, p: Var<'t, f64>) -> Var<'t, f64> {
        let tape = p.tape();
        let product = |p: Var<'t, f64>| (1..p.len()).fold(p.at(0), |product, i| product * p.at(i));
        match self {
            Function::OneWeightPair { x, y } => (*y - p.at(0) * p.at(1) * *x).square(),
            Function::WeightChain { x, y } => (*y - product(p) * *x).square(),
            Function::Quadratic { a, b } => 0.5 * p.matmul(tape.constant(a).matmul(p)) - p.matmul(b),
            Function::MonkeySaddle => p.at(0).pow(3) - 3 * p.at(0) * p.at(1).square(),
            Function::Rosenbrock => rosenbrock(p),
            Function::Himmelblau => {
                let (a, b) = (p.at(0), p.at(1));
                (a.square() + b - 11).square() + (a + b.square() - 7).square()
            }
            Function::DoubleWell => (p.square() - 1).square().sum(),
            Function::Quartic => p.pow(4).sum(),
            Function::SineProduct => product(p.sin()),
            Function::MatrixFactorization { m, rank } => {
                let (rows, columns) = (m.shape()[0], m.shape()[1]);
                let u = p.slice(s![..rows * rank]).reshape([rows, *rank]);
                let v = p.slice(s![rows * rank..]).reshape([columns, *rank]);
                (u.matmul(v.t()) - m).square().sum()
            }
            Function::Mlp { x, y, hidden, activation } => {
                let (i, o, h) = (x.shape()[1], y.shape()[1], *hidden);
                let ends = [h * i, h * i + h, h * i + h + o * h];
                let w1 = p.slice(s![..ends[0]]).reshape([h, i]);
                let w2 = p.slice(s![ends[1]..ends[2]]).reshape([o, h]);
                let parts = [w1, p.slice(s![ends[0]..ends[1]]), w2, p.slice(s![ends[2]..])];
                mlp_cost(parts, (x, y), activation).expect("a known activation")
            }
            Function::LogisticRegression { x, y, l2 } => {
                let d = x.shape()[1];
                let logits = tape.constant(x).matmul(p.slice(s![..d])) + p.at(d);
                let cost = gradus_nn::loss::binary_cross_entropy(logits, y, gradus_nn::Reduction::Mean);
                cost + p.square().sum() * (0.5 * l2)
            }
        }
    }
}

pub(crate) fn run(case: &Value) -> Outcome {
    let function = Function::read(&case["function"])?;
    let point: Array1<f64> = array(&case["point"])?.into_dimensionality::<Ix1>().map_err(|_| missing("point"))?;
    let (value, gradient) = value_and_grad(|p| function.at(p), &point);
    let hessian = hessian(|p| function.at(p), &point);
    let n = point.len();
    let matrix = nalgebra::DMatrix::from_fn(n, n, |i, j| 0.5 * (hessian[[i, j]] + hessian[[j, i]]));
    let mut eigenvalues: Vec<f64> = matrix.symmetric_eigenvalues().iter().copied().collect();
    eigenvalues.sort_by(f64::total_cmp);
    let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let (grad_tol, eig_tol) = (get(&case["args"], "grad_tol")?, get(&case["args"], "eig_tol")?);
    let any = |test: &dyn Fn(f64) -> bool| eigenvalues.iter().any(|&e| test(e));
    let classification = if norm > grad_tol {
        "not_critical"
    } else if any(&|e| e > eig_tol) && any(&|e| e < -eig_tol) {
        "saddle"
    } else if any(&|e| e.abs() <= eig_tol) {
        "degenerate"
    } else if any(&|e| e > 0.0) {
        "minimum"
    } else {
        "maximum"
    };
    Ok(Map::from_iter([
        ("value".to_owned(), encode_number(value)),
        ("gradient".to_owned(), encode(gradient.shape(), &gradient)),
        ("grad_norm".to_owned(), encode_number(norm)),
        ("hessian".to_owned(), encode(hessian.shape(), &hessian)),
        ("eigenvalues".to_owned(), encode(&[n], &eigenvalues)),
        ("classification".to_owned(), json!(classification)),
    ]))
}

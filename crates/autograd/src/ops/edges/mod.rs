//! Checks elementwise functions at the edges of their domains against values of 80 digits: see `generate.py`.

use std::collections::BTreeSet;

use crate::ops::{Check, Run, checks};
use crate::{Float, Tape};

/// A line of the table.
struct Line {
    name: &'static str,
    setting: Option<f64>,
    single: bool,
    x: f64,
    /// y, dy/dx, d²y/dx²; `None` if the line does not ask for it
    want: [Option<f64>; 3],
}

fn lines() -> impl Iterator<Item = Line> {
    include_str!("edges.tsv").lines().map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, setting, kind, x, y, first, second] = *fields else { panic!("a line of {} fields", fields.len()) };
        let want = [y, first, second].map(|y| y.parse().ok());
        Line { name, setting: setting.parse().ok(), single: kind == "f32", x: x.parse().expect("x"), want }
    })
}

/// The value, the first derivative by both sweeps, and the second derivative by both.
fn results<T: Float>(run: &Run<T>, x: f64) -> [f64; 5] {
    let tape = Tape::<T>::mathematics();
    let x = tape.var([T::from_f64(x)]);
    let y = run(&[x]).sum();
    let slope = y.backward().wrt(x)[[0]];
    let curvature = y.hvp([(x, [T::from_f64(1.0)])]).wrt(x)[[0]];
    let [recorded] = y.grad([x]);
    let again = recorded.sum().backward().wrt(x)[[0]];
    [y.item(), slope, recorded.data()[0], curvature, again].map(|y| y.to_f64())
}

/// The allowed error of a result: relative to the right result, and absolute where that is tiny.
struct Tolerance {
    relative: f64,
    absolute: f64,
    largest: f64,
}

impl Tolerance {
    fn of(name: &str, single: bool) -> Self {
        let (epsilon, smallest, largest) = match single {
            true => (f64::from(f32::EPSILON), f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)),
            false => (f64::EPSILON, f64::MIN_POSITIVE, f64::MAX),
        };
        // near 1 these are differences of numbers near 1, as in PyTorch: their error is one of 1
        let absolute = match name {
            "tanh" | "sigmoid" => 2.0 * epsilon,
            "gelu" => 4.0 * epsilon,
            _ => smallest,
        };
        Tolerance { relative: 80.0 * epsilon, absolute, largest }
    }

    fn holds(&self, got: f64, want: f64) -> bool {
        let error = self.relative * want.abs();
        if want.is_nan() {
            got.is_nan()
        } else if want.abs() > self.largest * (1.0 - self.relative) {
            got == want.signum() * f64::INFINITY || (got - want).abs() <= error
        } else {
            (got - want).abs() <= error.max(self.absolute)
        }
    }
}

/// Rows without a line in the table: arithmetic with a number, which is one operation of the processor, and `clamp`,
/// whose two settings other tests check.
const NOT_LISTED: [&str; 7] = ["add_number", "mul_number", "div_number", "sub_from", "div_into", "negative", "clamp"];

#[test]
fn values_and_derivatives_are_right_at_the_edges() {
    let mut functions: Vec<(String, Check)> = checks()
        .into_iter()
        .filter(|check| check.each && check.inputs.len() == 1 && check.name != "pow_number")
        .map(|check| (check.name.to_owned(), check))
        .collect();
    for line in lines().filter(|line| line.name == "pow") {
        let (exponent, name) = (line.setting.expect("an exponent"), format!("pow {:?}", line.setting));
        if functions.iter().all(|(known, _)| *known != name) {
            functions.push((name, check!("pow", Vec::new(), move |v| v[0].pow(exponent))));
        }
    }
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for Line { name, setting, single, x, want: [y, first, second] } in lines() {
        let title = if name == "pow" { format!("pow {setting:?}") } else { name.to_owned() };
        let (_, check) = functions.iter().find(|(known, _)| *known == title).expect("a function of the table");
        let got = if single { results(&check.run_f32, x) } else { results(&check.run, x) };
        let tolerance = Tolerance::of(name, single);
        for (what, got, want) in [
            ("value", got[0], y),
            ("slope", got[1], first),
            ("recorded slope", got[2], first),
            ("curvature", got[3], second),
            ("recorded curvature", got[4], second),
        ] {
            // where the slope is infinite, what is recorded of it forms ∞ − ∞
            let pole = name == "acosh" && what.ends_with("curvature") && (x == 1.0 || x == f64::INFINITY);
            if let Some(want) = want
                && !tolerance.holds(got, want)
                && !pole
            {
                wrong.push(format!(
                    "{title} of {} {x:e}: {what} {got:e}, not {want:e}",
                    if single { "f32" } else { "f64" }
                ));
            }
        }
        seen.insert(title);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    let forgotten = functions.iter().filter(|(name, _)| !seen.contains(name) && !NOT_LISTED.contains(&&**name));
    assert_eq!(forgotten.map(|(name, _)| name).collect::<Vec<_>>(), Vec::<&String>::new(), "functions without lines");
}

//! Cases of kind `schedule`.

use gradus_optim::{
    Fade, Goal, Interpolation, OneCycle, ReduceOnPlateau, Schedule, constant, cosine, cyclic, exponential, linear,
    multi_step, noam, polynomial, step_decay, warm_restarts,
};
use serde_json::{Map, Value};

use crate::encoding::{encode_number, flag, get, list, number as decoded, text};
use crate::{Outcome, Stop, missing, unsupported};

fn whole(args: &Value, field: &str) -> Result<u64, Stop> {
    args[field].as_u64().ok_or_else(|| missing(field))
}

fn parts(args: &Value, base: f64) -> Result<Vec<Schedule>, Stop> {
    list(args, "schedulers")?.iter().map(|s| factors(text(s, "name")?, &s["args"], base)).collect()
}

/// Makes a named schedule, as factors of the base rate. Rates in a case are divided by the base rate.
pub(crate) fn factors(name: &str, args: &Value, base: f64) -> Result<Schedule, Stop> {
    let number = |field| get(args, field);
    let rate = |field| Ok(get(args, field)? / base);
    Ok(match name {
        "constant" => constant().scale(number("factor")?).after(whole(args, "total_iters")?, constant()),
        "step" => step_decay(whole(args, "step_size")?, number("gamma")?),
        "multi_step" => {
            let milestones: Vec<u64> = list(args, "milestones")?.iter().filter_map(Value::as_u64).collect();
            multi_step(&milestones, number("gamma")?)
        }
        "exponential" => exponential(1, number("gamma")?),
        "linear" => linear(number("start_factor")?, number("end_factor")?, whole(args, "total_iters")?),
        "polynomial" => polynomial(whole(args, "total_iters")?, number("power")?),
        "cosine_annealing" => cosine(whole(args, "T_max")?).between(rate("eta_min")?, 1.0),
        "cosine_annealing_warm_restarts" => {
            warm_restarts(whole(args, "T_0")?, whole(args, "T_mult")?).between(rate("eta_min")?, 1.0)
        }
        "noam" => noam(whole(args, "d_model")?, whole(args, "warmup_steps")?),
        "one_cycle" => {
            let start = 1.0 / number("div_factor")?;
            let shape = match text(args, "anneal_strategy")? {
                "cos" => Interpolation::Cosine,
                "linear" => Interpolation::Linear,
                other => return unsupported(format!("annealing by {other}")),
            };
            let (rise, end) = (number("pct_start")?, start / number("final_div_factor")?);
            let cycle = OneCycle { rise, start, end, shape, three_phase: flag(args, "three_phase")? };
            cycle.over(whole(args, "total_steps")?).scale(rate("max_lr")?)
        }
        "cyclic" => {
            let most = number("max_lr")?;
            let fade = match text(args, "mode")? {
                "triangular" => Fade::Never,
                "triangular2" => Fade::Halve,
                "exp_range" => Fade::By(number("gamma")?),
                other => return unsupported(format!("cycles {other}")),
            };
            let (up, down) = (whole(args, "step_size_up")?, whole(args, "step_size_down")?);
            cyclic(number("base_lr")? / most, up, down, fade).scale(most / base)
        }
        "warmup_cosine_decay" => {
            let (init, peak, end) = (rate("init_value")?, rate("peak_value")?, rate("end_value")?);
            let (warmup, decay) = (whole(args, "warmup_steps")?, whole(args, "decay_steps")?);
            let falling = cosine(decay.saturating_sub(warmup)).power(number("exponent")?).between(end, peak);
            linear(init, peak, warmup).then(falling)
        }
        "exponential_decay" => {
            let (every, gamma) = (whole(args, "transition_steps")?, number("decay_rate")?);
            let falling = if flag(args, "staircase")? { step_decay(every, gamma) } else { exponential(every, gamma) };
            let whole = constant().after(whole(args, "transition_begin")?, falling).scale(rate("init_value")?);
            match args["end_value"].as_f64() {
                None => whole,
                Some(end) if gamma < 1.0 => whole.clamp(end / base, f64::INFINITY),
                Some(end) => whole.clamp(f64::NEG_INFINITY, end / base),
            }
        }
        "chained" => parts(args, base)?.into_iter().fold(constant(), Schedule::times),
        "sequential" => {
            let ends: Vec<u64> = list(args, "milestones")?.iter().filter_map(Value::as_u64).collect();
            // from the last part to the first, since each part is joined with all that follow it
            let mut parts = parts(args, base)?.into_iter().rev();
            let mut whole = parts.next().ok_or_else(|| missing("schedulers"))?;
            for (part, k) in parts.zip((0..ends.len()).rev()) {
                let start = if k == 0 { 0 } else { ends[k - 1] };
                whole = part.after(ends[k] - start, whole);
            }
            whole
        }
        _ => return unsupported(format!("no {name} of these settings")),
    })
}

fn plateau(args: &Value, base: f64) -> Result<ReduceOnPlateau, Stop> {
    let threshold = get(args, "threshold")?;
    let plateau = ReduceOnPlateau::new()
        .goal(if text(args, "mode")? == "min" { Goal::Minimize } else { Goal::Maximize })
        .factor(get(args, "factor")?)
        .patience(whole(args, "patience")?)
        .cooldown(whole(args, "cooldown")?)
        .min_factor(get(args, "min_lr")? / base)
        .eps(get(args, "eps")? / base);
    Ok(match text(args, "threshold_mode")? {
        "rel" => plateau.threshold(threshold),
        _ => plateau.absolute_threshold(threshold),
    })
}

pub(crate) fn run(case: &Value) -> Outcome {
    let (name, args, base) = (text(case, "name")?, &case["args"], get(case, "base_lr")?);
    let factors: Vec<f64> = if name == "reduce_on_plateau" {
        let mut plateau = plateau(args, base)?;
        let metrics = list(case, "metrics")?.iter().map(|m| decoded(m).ok_or_else(|| missing("metrics")));
        let metrics = metrics.collect::<Result<Vec<_>, _>>()?;
        std::iter::once(1.0).chain(metrics.into_iter().map(|m| plateau.observe(m))).collect()
    } else {
        factors(name, args, base)?.values(whole(case, "steps")? + 1)
    };
    let rates = factors.iter().map(|factor| encode_number(base * factor));
    Ok(Map::from_iter([("lr".to_owned(), rates.collect())]))
}

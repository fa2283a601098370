//! Cases of kind `schedule`.

use gradus_optim::{Schedule, cosine, linear, step_decay};
use serde_json::{Map, Value};

use crate::encoding::{encode_number, get, list, text};
use crate::{Outcome, Stop, missing, unsupported};

fn whole(args: &Value, field: &str) -> Result<u64, Stop> {
    args[field].as_u64().ok_or_else(|| missing(field))
}

/// A named schedule as factors of the base rate.
pub(crate) fn factors(name: &str, args: &Value) -> Result<Schedule, Stop> {
    Ok(match name {
        "constant" => {
            let factor = Schedule::Constant { factor: get(args, "factor")? };
            factor.after(whole(args, "total_iters")?, gradus_optim::constant())
        }
        "step" => step_decay(whole(args, "step_size")?, get(args, "gamma")?),
        "exponential" => step_decay(1, get(args, "gamma")?),
        "linear" => linear(get(args, "start_factor")?, get(args, "end_factor")?, whole(args, "total_iters")?),
        "cosine_annealing" if get(args, "eta_min")? == 0.0 => cosine(whole(args, "T_max")?),
        "sequential" => {
            let parts = list(args, "schedulers")?;
            let parts = parts.iter().map(|s| factors(text(s, "name")?, &s["args"])).collect::<Result<Vec<_>, _>>()?;
            let ends: Vec<u64> = list(args, "milestones")?.iter().filter_map(Value::as_u64).collect();
            // from the last to the first: each takes the rest as what follows
            let mut parts = parts.into_iter().rev();
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

pub(crate) fn run(case: &Value) -> Outcome {
    let schedule = factors(text(case, "name")?, &case["args"])?;
    let base = get(case, "base_lr")?;
    let rates = (0..=whole(case, "steps")?).map(|t| encode_number(base * schedule.factor(t)));
    Ok(Map::from_iter([("lr".to_owned(), rates.collect())]))
}

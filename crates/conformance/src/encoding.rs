//! Numbers and arrays of case files, and their comparison.

use ndarray::{ArrayD, IxDyn};
use serde_json::{Map, Value, json};

use crate::{Stop, missing};

pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::String(s) => match s.as_str() {
            "inf" => Some(f64::INFINITY),
            "-inf" => Some(f64::NEG_INFINITY),
            "nan" => Some(f64::NAN),
            _ => None,
        },
        _ => None,
    }
}

pub(crate) fn text<'a>(case: &'a Value, field: &str) -> Result<&'a str, Stop> {
    case[field].as_str().ok_or_else(|| missing(field))
}

pub(crate) fn get(case: &Value, field: &str) -> Result<f64, Stop> {
    number(&case[field]).ok_or_else(|| missing(field))
}

pub(crate) fn flag(case: &Value, field: &str) -> Result<bool, Stop> {
    case[field].as_bool().ok_or_else(|| missing(field))
}

pub(crate) fn integer(case: &Value, field: &str) -> Result<i64, Stop> {
    case[field].as_i64().ok_or_else(|| missing(field))
}

pub(crate) fn list<'a>(case: &'a Value, field: &str) -> Result<&'a Vec<Value>, Stop> {
    case[field].as_array().ok_or_else(|| missing(field))
}

pub(crate) fn integers(value: &Value) -> Option<Vec<i64>> {
    value.as_array()?.iter().map(Value::as_i64).collect()
}

pub(crate) fn shape(value: &Value) -> Option<Vec<usize>> {
    value["shape"].as_array()?.iter().map(|n| n.as_u64().map(|n| n as usize)).collect()
}

/// Reads an array of any dtype as f64 numbers.
pub(crate) fn array(value: &Value) -> Result<ArrayD<f64>, Stop> {
    let numbers = value["data"].as_array().and_then(|d| d.iter().map(number).collect::<Option<Vec<f64>>>());
    let array = shape(value).zip(numbers).and_then(|(s, n)| ArrayD::from_shape_vec(IxDyn(&s), n).ok());
    array.ok_or_else(|| missing("array"))
}

pub(crate) fn arrays(case: &Value, field: &str) -> Result<Vec<ArrayD<f64>>, Stop> {
    list(case, field)?.iter().map(array).collect()
}

pub(crate) fn encode_number(x: f64) -> Value {
    if x.is_nan() {
        json!("nan")
    } else if x.is_infinite() {
        json!(if x > 0.0 { "inf" } else { "-inf" })
    } else {
        json!(x)
    }
}

pub(crate) fn encode<'a>(shape: &[usize], numbers: impl IntoIterator<Item = &'a f64>) -> Value {
    json!({"shape": shape, "data": numbers.into_iter().map(|&x| encode_number(x)).collect::<Vec<_>>()})
}

pub(crate) fn encode_array(array: &ArrayD<f64>) -> Value {
    encode(array.shape(), array)
}

/// Checks that the results agree with everything that the case expects.
pub(crate) fn compare(case: &Value, got: &Map<String, Value>) -> Result<(), String> {
    let (rtol, atol) = (number(&case["rtol"]).unwrap_or(0.0), number(&case["atol"]).unwrap_or(0.0));
    let expect = case["expect"].as_object().ok_or("the case expects nothing")?;
    for (field, want) in expect {
        agree(got.get(field).unwrap_or(&Value::Null), want, rtol, atol).map_err(|e| format!("{field}{e}"))?;
    }
    Ok(())
}

fn agree(got: &Value, want: &Value, rtol: f64, atol: f64) -> Result<(), String> {
    match want {
        Value::Null => Ok(()),
        Value::Object(_) => {
            let shapes = (shape(got), shape(want));
            if shapes.0 != shapes.1 {
                return Err(format!(": shape {:?}, expected {:?}", shapes.0, shapes.1));
            }
            agree(&got["data"], &want["data"], rtol, atol)
        }
        Value::Array(list) => {
            let own = got.as_array().filter(|own| own.len() == list.len());
            let own = own.ok_or_else(|| format!(": {got}, expected {} entries", list.len()))?;
            for (i, (got, want)) in own.iter().zip(list).enumerate() {
                agree(got, want, rtol, atol).map_err(|e| format!("[{i}]{e}"))?;
            }
            Ok(())
        }
        _ => match (number(got), number(want)) {
            (Some(a), Some(b)) => {
                let same = (a.is_nan() && b.is_nan()) || a == b;
                let near = a.is_finite() && b.is_finite() && (a - b).abs() <= atol + rtol * b.abs();
                if same || near { Ok(()) } else { Err(format!(": {got}, expected {want}")) }
            }
            _ if got == want => Ok(()),
            _ => Err(format!(": {got}, expected {want}")),
        },
    }
}

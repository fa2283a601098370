//! Serialises numbers so that they come back from JSON unchanged: `#[serde(with = "gradus_autograd::exact")]`.
//!
//! JSON has no infinities and no NaN, and `serde_json` writes `null` for them, which does not read back as a number.
//! This module writes the texts `"inf"`, `"-inf"` and `"NaN"` instead. In formats for machines, such as bincode, it
//! writes plain numbers.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a value. In JSON, numbers that are not finite become texts.
pub fn serialize<A: Exact, S: Serializer>(value: &A, serializer: S) -> Result<S::Ok, S::Error> {
    value.save(serializer)
}

/// Reads a value that [`serialize`] wrote.
pub fn deserialize<'de, A: Exact, D: Deserializer<'de>>(deserializer: D) -> Result<A, D::Error> {
    A::load(deserializer)
}

/// The types that [`serialize`] writes: numbers, texts and paths, and options, lists and pairs of them.
pub trait Exact: Sized {
    /// Writes the value.
    fn save<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    /// Reads a value.
    fn load<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// A reference to a value, which is serialised by `Exact::save`.
struct Saved<'a, A>(&'a A);
impl<A: Exact> Serialize for Saved<'_, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.save(serializer)
    }
}

/// A value that is deserialised by `Exact::load`.
struct Loaded<A>(A);
impl<'de, A: Exact> Deserialize<'de> for Loaded<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        A::load(deserializer).map(Loaded)
    }
}

struct NumberVisitor<A>(PhantomData<A>);

macro_rules! number {
    ($t:ident) => {
        impl Visitor<'_> for NumberVisitor<$t> {
            type Value = $t;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or one of the texts inf, -inf and NaN")
            }
            fn visit_f64<E: de::Error>(self, x: f64) -> Result<$t, E> {
                match (x as $t).is_finite() || !x.is_finite() {
                    true => Ok(x as $t),
                    false => Err(E::invalid_value(de::Unexpected::Float(x), &"a number of this size")),
                }
            }
            fn visit_i64<E: de::Error>(self, x: i64) -> Result<$t, E> {
                Ok(x as $t)
            }
            fn visit_u64<E: de::Error>(self, x: u64) -> Result<$t, E> {
                Ok(x as $t)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<$t, E> {
                match text {
                    "inf" => Ok($t::INFINITY),
                    "-inf" => Ok($t::NEG_INFINITY),
                    "NaN" => Ok($t::NAN),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }

        impl Exact for $t {
            fn save<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if self.is_finite() || !serializer.is_human_readable() {
                    self.serialize(serializer)
                } else {
                    serializer.collect_str(self)
                }
            }
            fn load<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$t, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_any(NumberVisitor::<$t>(PhantomData))
                } else {
                    $t::deserialize(deserializer)
                }
            }
        }
    };
}
number!(f32);
number!(f64);

impl Exact for String {
    fn save<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
    /// Reads a text. Where the format can lend the text, it is borrowed before it is copied, so that a wrong length in
    /// the input does not make the program allocate memory for it.
    fn load<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = String;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E>(self, text: &str) -> Result<String, E> {
                Ok(text.to_owned())
            }
            fn visit_string<E>(self, text: String) -> Result<String, E> {
                Ok(text)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Exact for PathBuf {
    fn save<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
    fn load<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        String::load(deserializer).map(PathBuf::from)
    }
}

impl<A: Exact> Exact for Option<A> {
    fn save<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(Saved).serialize(serializer)
    }
    fn load<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Loaded<A>>::deserialize(deserializer)?.map(|loaded| loaded.0))
    }
}

macro_rules! list {
    ($List:ident) => {
        impl<A: Exact> Exact for $List<A> {
            fn save<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.iter().map(Saved))
            }
            fn load<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let loaded = $List::<Loaded<A>>::deserialize(deserializer)?;
                Ok(loaded.into_iter().map(|loaded| loaded.0).collect())
            }
        }
    };
}
list!(Vec);
list!(VecDeque);

impl<A: Exact, B: Exact> Exact for (A, B) {
    fn save<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (Saved(&self.0), Saved(&self.1)).serialize(serializer)
    }
    fn load<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (a, b) = <(Loaded<A>, Loaded<B>)>::deserialize(deserializer)?;
        Ok((a.0, b.0))
    }
}

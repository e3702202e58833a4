//! Just enough JSON to write a snapshot.

use std::fmt::Write;
use std::time::Duration;

/// A text that grows by JSON values.
#[derive(Default)]
pub(super) struct Json {
    pub(super) text: String,
    /// Whether the next value needs a comma before it.
    follows: bool,
}

impl Json {
    fn separate(&mut self) {
        if self.follows {
            self.text.push(',');
        }
        self.follows = true;
    }

    pub(super) fn key(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.text.push(':');
        self.follows = false;
        self
    }

    /// What `write` writes, between two brackets.
    pub(super) fn within(&mut self, brackets: [char; 2], write: impl FnOnce(&mut Self)) {
        self.separate();
        self.text.push(brackets[0]);
        self.follows = false;
        write(self);
        self.text.push(brackets[1]);
        self.follows = true;
    }

    pub(super) fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.within(['{', '}'], write);
    }

    pub(super) fn list<T>(&mut self, all: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.within(['[', ']'], |json| all.into_iter().for_each(|one| write(json, one)));
    }

    pub(super) fn number(&mut self, number: impl Into<u64>) {
        self.separate();
        let _ = write!(self.text, "{}", number.into());
    }

    pub(super) fn real(&mut self, number: f64) {
        self.separate();
        let _ = if number.is_finite() { write!(self.text, "{number}") } else { write!(self.text, "null") };
    }

    pub(super) fn seconds(&mut self, span: Duration) {
        self.real(span.as_secs_f64());
    }

    pub(super) fn boolean(&mut self, is: bool) {
        self.separate();
        self.text.push_str(if is { "true" } else { "false" });
    }

    pub(super) fn string(&mut self, text: &str) {
        self.separate();
        self.text.push('"');
        for letter in text.chars() {
            match letter {
                '"' | '\\' => self.text.extend(['\\', letter]),
                letter if u32::from(letter) < 0x20 || letter == '\u{7f}' => {
                    let _ = write!(self.text, "\\u{:04x}", u32::from(letter));
                }
                letter => self.text.push(letter),
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_separated_and_text_is_escaped() {
        let mut json = Json::default();
        json.object(|json| {
            json.key("a\n\"").list([1_u64, 2], Json::number);
            json.key("b").real(f64::INFINITY);
            json.key("c").object(|json| json.key("d").boolean(true));
            json.key("e").seconds(Duration::from_millis(1500));
        });
        assert_eq!(json.text, r#"{"a\u000a\"":[1,2],"b":null,"c":{"d":true},"e":1.5}"#);
    }
}

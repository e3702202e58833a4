//! The protocol of Redis, version 2: how a command is written and a reply is read.

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Simple(String),
    Error(String),
    Number(i64),
    Bytes(Vec<u8>),
    Nil,
    List(Vec<Reply>),
}

/// What was read is not a reply: who speaks is no Redis server.
#[derive(Debug, PartialEq)]
pub(super) struct NotRedis;

/// No reply of ours comes near these; beyond them the other side is no Redis server.
const LONGEST: usize = 64 << 20;
const DEEPEST: usize = 8;

/// Writes one command behind what `to` has.
pub(super) fn command(to: &mut Vec<u8>, arguments: &[&[u8]]) {
    head(to, b'*', arguments.len());
    for argument in arguments {
        head(to, b'$', argument.len());
        to.extend_from_slice(argument);
        to.extend_from_slice(b"\r\n");
    }
}

fn head(to: &mut Vec<u8>, kind: u8, count: usize) {
    to.push(kind);
    to.extend_from_slice(count.to_string().as_bytes());
    to.extend_from_slice(b"\r\n");
}

/// Reads the first reply of `bytes`, and how many bytes it takes; `None` until all of them are there.
pub(super) fn reply(bytes: &[u8]) -> Result<Option<(Reply, usize)>, NotRedis> {
    let mut reader = Reader { bytes, at: 0 };
    Ok(reader.reply(0)?.map(|reply| (reply, reader.at)))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn reply(&mut self, depth: usize) -> Result<Option<Reply>, NotRedis> {
        let Some(line) = self.line()? else { return Ok(None) };
        let (&kind, rest) = line.split_first().ok_or(NotRedis)?;
        let text = || String::from_utf8_lossy(rest).into_owned();
        let number =
            || std::str::from_utf8(rest).ok().and_then(|text| text.parse::<i64>().ok()).ok_or(NotRedis);
        Ok(Some(match kind {
            b'+' => Reply::Simple(text()),
            b'-' => Reply::Error(text()),
            b':' => Reply::Number(number()?),
            b'$' => match number()? {
                -1 => Reply::Nil,
                length => {
                    let length =
                        usize::try_from(length).ok().filter(|&length| length <= LONGEST).ok_or(NotRedis)?;
                    let Some(bytes) = self.bytes.get(self.at..self.at + length + 2) else { return Ok(None) };
                    let bytes = bytes.strip_suffix(b"\r\n").ok_or(NotRedis)?;
                    self.at += length + 2;
                    Reply::Bytes(bytes.to_vec())
                }
            },
            b'*' => match number()? {
                -1 => Reply::Nil,
                length if (0..=LONGEST as i64).contains(&length) && depth < DEEPEST => {
                    let mut list = Vec::new();
                    for _ in 0..length {
                        match self.reply(depth + 1)? {
                            Some(reply) => list.push(reply),
                            None => return Ok(None),
                        }
                    }
                    Reply::List(list)
                }
                _ => return Err(NotRedis),
            },
            _ => return Err(NotRedis),
        }))
    }

    fn line(&mut self) -> Result<Option<&'a [u8]>, NotRedis> {
        let rest = &self.bytes[self.at..];
        // What does not begin like a reply is told at once: it may never have an end of line.
        if rest.first().is_some_and(|kind| !b"+-:$*".contains(kind)) {
            return Err(NotRedis);
        }
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
            return if rest.len() > LONGEST { Err(NotRedis) } else { Ok(None) };
        };
        self.at += end + 2;
        Ok(Some(&rest[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_carry_any_bytes() {
        let mut to = Vec::new();
        command(&mut to, &[b"SET", b"", b"a\r\n\0"]);
        assert_eq!(to, b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\n\0\r\n");
    }

    #[test]
    fn replies_are_read_however_they_are_cut() {
        let bytes = b"*6\r\n+OK\r\n-ERR no\r\n:-7\r\n$4\r\na\r\nb\r\n$-1\r\n*1\r\n$0\r\n\r\n:1\r\n";
        let expected = Reply::List(vec![
            Reply::Simple("OK".into()),
            Reply::Error("ERR no".into()),
            Reply::Number(-7),
            Reply::Bytes(b"a\r\nb".to_vec()),
            Reply::Nil,
            Reply::List(vec![Reply::Bytes(Vec::new())]),
        ]);
        let whole = bytes.len() - 4;
        for end in 0..whole {
            assert_eq!(reply(&bytes[..end]), Ok(None), "{end}");
        }
        assert_eq!(reply(bytes), Ok(Some((expected, whole))));
    }

    #[test]
    fn what_is_no_reply_is_told_at_once() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request"[..],
            b"$x\r\n",
            b"$99999999999\r\n",
            b"$-2\r\n",
            b"$1\r\nabc",
            b"*-2\r\n",
            b":1.5\r\n",
            b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        ] {
            assert_eq!(reply(bytes), Err(NotRedis), "{}", String::from_utf8_lossy(bytes));
        }
    }
}

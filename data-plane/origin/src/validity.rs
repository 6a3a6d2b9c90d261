//! The period a certificate is valid in, read from its DER (RFC 5280 section 4.1).
//!
//! The TLS library checks dates only together with issuer and name; under `full` neither of those is checked.

use std::ops::RangeInclusive;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0] EXPLICIT Version`, absent in version 1.
const VERSION: u8 = 0xa0;

/// Seconds since 1970 in which `certificate` is valid; `None` if it cannot be read.
pub(crate) fn validity(certificate: &[u8]) -> Option<RangeInclusive<u64>> {
    let (mut certificate, _) = element(certificate, SEQUENCE)?;
    let mut fields = take(&mut certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        take(&mut fields, VERSION)?;
    }
    for tag in [0x02, SEQUENCE, SEQUENCE] {
        // Serial number, signature algorithm, issuer.
        take(&mut fields, tag)?;
    }
    let mut validity = take(&mut fields, SEQUENCE)?;
    let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
    Some(not_before..=not_after)
}

/// The content of the element that begins `bytes`, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [first, length, rest @ ..] = bytes else { return None };
    if *first != tag {
        return None;
    }
    let (length, rest) = match *length {
        short @ ..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The content of the next element; `bytes` moves behind it.
fn take<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (content, rest) = element(bytes, tag)?;
    *bytes = rest;
    Some(content)
}

fn time(bytes: &mut &[u8]) -> Option<u64> {
    let text = match bytes.first() {
        Some(&UTC_TIME) => {
            let short = take(bytes, UTC_TIME)?;
            // Two digits of the year: 50 to 99 are of the last century.
            let century: &[u8] = if *short.first()? >= b'5' { b"19" } else { b"20" };
            [century, short].concat()
        }
        _ => take(bytes, GENERALIZED_TIME)?.to_vec(),
    };
    let (digits, b"Z") = text.split_at_checked(14)? else { return None };
    let number = |range: std::ops::Range<usize>| -> Option<u64> {
        let digits = &digits[range];
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then(|| digits.iter().fold(0, |sum, d| sum * 10 + u64::from(d - b'0')))
    };
    let days = days(number(0..4)?, number(4..6)?, number(6..8)?)?;
    Some(days * 86_400 + number(8..10)? * 3_600 + number(10..12)? * 60 + number(12..14)?)
}

/// Days from 1970 to a date of the Gregorian calendar; dates before count as 1970.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of a year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let before_year = year * 365 + year / 4 - year / 100 + year / 400;
    let since_march_0 = before_year + (153 * month + 2) / 5 + day - 1;
    Some(since_march_0.saturating_sub(719_468))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_as_the_calendar_has_them() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(2000, 3, 1), Some(11_017));
        assert_eq!(days(2100, 3, 1), Some(47_541));
        assert_eq!(days(1950, 1, 1), Some(0));
        assert_eq!(days(2026, 13, 1), None);
    }

    #[test]
    fn both_forms_of_time_are_read() {
        let mut utc: &[u8] = b"\x17\x0d700101000001Z";
        assert_eq!(time(&mut utc), Some(1));
        let mut general: &[u8] = b"\x18\x0f20500101000000Z";
        assert_eq!(time(&mut general), Some(2_524_608_000));
        for mut bad in
            [&b"\x17\x0c7001010000Z1"[..], b"\x18\x0f2050010100000+Z", b"\x17\x0d70010100000", b"\x05\x00"]
        {
            assert_eq!(time(&mut bad), None);
        }
    }

    #[test]
    fn a_certificates_period_is_the_one_it_was_made_with() {
        let mut wanted = rcgen::CertificateParams::new(["www.example.com".to_owned()]).expect("params");
        wanted.not_before = rcgen::date_time_ymd(1999, 12, 31);
        wanted.not_after = rcgen::date_time_ymd(2051, 1, 1);
        let key = rcgen::KeyPair::generate().expect("key");
        let certificate = wanted.self_signed(&key).expect("certificate");
        assert_eq!(validity(certificate.der()), Some(946_598_400..=2_556_144_000));
        for end in 0..certificate.der().len() {
            assert_eq!(validity(&certificate.der()[..end]), None, "cut at {end}");
        }
    }
}

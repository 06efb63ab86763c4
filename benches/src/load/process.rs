//! What a process uses, from `/proc`.

use std::{fs, io, time::Duration};

use super::LoadError;

/// Ticks a second of the times in `/proc/<pid>/stat`: Linux's `USER_HZ`, 100 on every architecture
/// weir runs on.
const TICKS_PER_SECOND: u64 = 100;

/// A process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Time on a CPU, user and system.
    pub(crate) cpu: Duration,
    /// Memory in RAM now, KiB.
    pub(crate) rss_kib: u64,
    /// Most memory in RAM so far, KiB.
    pub(crate) peak_rss_kib: u64,
}

pub(crate) fn observe(pid: u32) -> Result<Usage, LoadError> {
    observe_entry(&pid.to_string())
}

pub(crate) fn observe_self() -> Result<Usage, LoadError> {
    observe_entry("self")
}

fn observe_entry(entry: &str) -> Result<Usage, LoadError> {
    let read = |file: &str| {
        let path = format!("/proc/{entry}/{file}");
        fs::read_to_string(&path).map_err(|source| LoadError::System { what: path, source })
    };
    parse(&read("stat")?, &read("status")?).ok_or_else(|| LoadError::System {
        what: format!("/proc/{entry}"),
        source: io::ErrorKind::InvalidData.into(),
    })
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The second field is the program's name in parentheses, which may hold blanks and parentheses;
    // proc(5) counts utime as field 14 and stime as 15, so they are 11 and 12 behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    let ticks = ticks.next()? + ticks.next()?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Usage {
        cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
        rss_kib: kib("VmRSS:")?,
        peak_rss_kib: kib("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_a_difficult_name_is_read() {
        let stat = "4242 (we) ir (x) S 1 4242 4242 0 -1 4194304 900 0 3 0 150 25 7 7 20 0 9 0 100 200 300";
        let status = "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t    1024 kB\n";
        let usage = Usage { cpu: Duration::from_millis(1750), rss_kib: 1024, peak_rss_kib: 2048 };
        assert_eq!(parse(stat, status), Some(usage));
        assert_eq!(parse("4242 (weir) S 1 2 3", status), None);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(observe_self().unwrap().rss_kib > 100);
    }
}

//! Whether the process of a run still lives. A process id alone does not say it, because ids are used again: the
//! moment of the process's birth is kept beside it.

use std::fs;
use std::sync::OnceLock;

/// What tells this process from a later one with the same id: the boot and the clock tick it started in. `None` where
/// the system does not tell (there is no `/proc`) or the process is gone.
pub(crate) fn birth_of(pid: u32) -> Option<String> {
    static OWN: OnceLock<Option<String>> = OnceLock::new();
    // One's own never changes, and is asked for with every run and hold.
    if pid == std::process::id() { OWN.get_or_init(|| read_birth(pid)).clone() } else { read_birth(pid) }
}

fn read_birth(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let started = start_tick(&stat)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{started}@{}", boot.trim()))
}

/// Whether the process with this id and birth is there. Where the system tells nothing about processes, only this
/// process counts as living.
pub(crate) fn lives(pid: u32, birth: Option<&str>) -> bool {
    match (birth, birth_of(pid)) {
        (Some(then), Some(now)) => then == now,
        (None, Some(_)) => true,
        (_, None) => pid == std::process::id(),
    }
}

/// Field 22 of `/proc/PID/stat`. The second field is the program's name in brackets and may hold spaces and brackets
/// itself, so fields are counted from the last closing one. A zombie (state Z) or dead process (X) has no start.
fn start_tick(stat: &str) -> Option<&str> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // The state is field 3 and already taken, so field 22 is the 19th of the rest.
    fields.nth(18)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_fields_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 99 100";
        assert_eq!(start_tick(stat), Some("4242"));
        assert_eq!(start_tick(&stat.replace(" S ", " Z ")), None);
        assert_eq!(start_tick("nonsense"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_lives_and_its_double_does_not() {
        let own = std::process::id();
        let birth = birth_of(own).unwrap();
        assert!(lives(own, Some(&birth)));
        assert!(!lives(own, Some("1@another-boot")));
        // Process ids end at 2^22 on Linux.
        assert!(!lives(u32::MAX, None));
    }
}

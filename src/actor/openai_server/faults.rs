//! Which faults the next request meets.

use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::actor::fault::{Fault, UnknownFault};

/// A fault, for every request or for the first few: `truncated`, `500*2`, `429:1*1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultSpec {
    /// What goes wrong.
    pub fault: Fault,
    /// For so many requests; `None`: for all.
    pub times: Option<u32>,
}

impl FromStr for FaultSpec {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        match text.split_once('*').and_then(|(fault, times)| Some((fault, times.parse().ok()?))) {
            Some((fault, times)) => Ok(Self { fault: fault.parse()?, times: Some(times) }),
            None => Ok(Self { fault: text.parse()?, times: None }),
        }
    }
}

impl From<Fault> for FaultSpec {
    fn from(fault: Fault) -> Self {
        Self { fault, times: None }
    }
}

/// The faults with what is left of them.
pub(super) struct FaultQueue {
    faults: Vec<(Fault, Option<AtomicU32>)>,
}

impl FaultQueue {
    pub fn new(specs: Vec<FaultSpec>) -> Self {
        let faults = specs.into_iter().map(|spec| (spec.fault, spec.times.map(AtomicU32::new)));
        Self { faults: faults.collect() }
    }

    /// Those of one request, which uses them up.
    pub fn next(&self) -> impl Iterator<Item = Fault> {
        let left = |times: &AtomicU32| {
            let less = |left: u32| left.checked_sub(1);
            times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
        };
        let due = self.faults.iter().filter(move |(_, times)| times.as_ref().is_none_or(left));
        due.map(|(fault, _)| *fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lasts_for_as_many_requests_as_it_says() {
        let queue = FaultQueue::new(vec!["500*2".parse().unwrap(), "comments".parse().unwrap()]);
        let counts: Vec<usize> = (0..4).map(|_| queue.next().count()).collect();
        assert_eq!(counts, [2, 2, 1, 1]);
        assert!("500*many".parse::<FaultSpec>().is_err());
        assert!("nothing*2".parse::<FaultSpec>().is_err());
    }
}

//! A ceiling in dollars that holds under any concurrency: money is reserved before a request and settled after it.

use corsac_wire::Usd;

/// A ceiling with what is spent and what is promised under it.
#[derive(Debug, Clone)]
pub struct Budget {
    ceiling: Option<Usd>,
    spent: Usd,
    reserved: Usd,
    open: u64,
    dearest: Option<Usd>,
    settled: u64,
    /// The worst a reservation was exceeded: real cost over what was reserved.
    worst: Option<(Usd, Usd)>,
}

/// As long as no bill has come in, no more requests than this are under way.
const UNPROVEN_REQUESTS: u64 = 4;

/// Money set aside for one request. Give it back with [`Budget::settle`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "money reserved must be settled"]
pub struct Reserved(Usd);

/// Why nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Requests under way hold it; some may come back.
    Wait,
    /// The ceiling is reached.
    Exhausted,
}

impl Budget {
    /// A budget with a ceiling, or without one.
    pub fn new(ceiling: Option<Usd>) -> Budget {
        Budget { ceiling, spent: Usd::ZERO, reserved: Usd::ZERO, open: 0, dearest: None, settled: 0, worst: None }
    }

    /// Sets aside what a request can cost at most. Where that is not known, the dearest request so far counts with half
    /// as much again, and before the first one all that is left, so that one request alone finds out.
    pub fn reserve(&mut self, at_most: Option<Usd>) -> Result<Reserved, Refusal> {
        let Some(ceiling) = self.ceiling else {
            self.open += 1;
            return Ok(Reserved(Usd::ZERO));
        };
        if self.settled == 0 && self.open >= UNPROVEN_REQUESTS {
            // prices are believed once the first bills are in
            return Err(Refusal::Wait);
        }
        let at_most = at_most.map(|cost| self.corrected(cost));
        let left = ceiling.minus_or_zero(self.spent + self.corrected(self.reserved));
        let known = at_most.or_else(|| self.dearest.map(|cost| cost + cost.per(2)));
        let amount = known.unwrap_or(left);
        let fits = amount <= left && (known.is_some() || (left > Usd::ZERO && self.open == 0));
        if !fits {
            return Err(if self.open > 0 { Refusal::Wait } else { Refusal::Exhausted });
        }
        self.reserved += amount;
        self.open += 1;
        Ok(Reserved(amount))
    }

    /// Ends a reservation with what the request really cost.
    pub fn settle(&mut self, reserved: Reserved, cost: Usd) {
        self.reserved = self.reserved - reserved.0;
        self.open = self.open.saturating_sub(1);
        self.spent += cost;
        if cost > Usd::ZERO {
            self.settled += 1;
            self.dearest = self.dearest.max(Some(cost));
        }
        let worse = |(real, said): (Usd, Usd)| {
            i128::from(cost.pico()) * i128::from(said.pico()) > i128::from(real.pico()) * i128::from(reserved.0.pico())
        };
        if cost > reserved.0 && reserved.0 > Usd::ZERO && self.worst.is_none_or(worse) {
            self.worst = Some((cost, reserved.0));
        }
    }

    /// A price that bills have proven too low, raised as far as the worst of them.
    fn corrected(&self, cost: Usd) -> Usd {
        match self.worst {
            Some((real, said)) => {
                let raised = i128::from(cost.pico()) * i128::from(real.pico()) / i128::from(said.pico().max(1));
                Usd::from_pico(i64::try_from(raised).unwrap_or(i64::MAX))
            }
            None => cost,
        }
    }

    /// What was spent.
    pub fn spent(&self) -> Usd {
        self.spent
    }

    /// The ceiling.
    pub fn ceiling(&self) -> Option<Usd> {
        self.ceiling
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CENT: Usd = Usd::from_pico(10_000_000_000);

    #[test]
    fn the_ceiling_ends_the_asking() {
        let mut budget = Budget::new(Some(CENT.times(2)));
        let first = budget.reserve(Some(CENT)).unwrap();
        let second = budget.reserve(Some(CENT)).unwrap();
        assert_eq!(budget.reserve(Some(CENT)), Err(Refusal::Wait));
        budget.settle(first, CENT);
        budget.settle(second, Usd::ZERO);
        let third = budget.reserve(Some(CENT)).unwrap();
        budget.settle(third, CENT);
        assert_eq!(budget.reserve(Some(CENT)), Err(Refusal::Exhausted));
    }

    #[test]
    fn unknown_prices_are_found_out_one_at_a_time() {
        let mut budget = Budget::new(Some(CENT.times(10)));
        let first = budget.reserve(None).unwrap();
        assert_eq!(budget.reserve(None), Err(Refusal::Wait));
        budget.settle(first, CENT);
        let _second = budget.reserve(None).unwrap();
        let _third = budget.reserve(None).unwrap();
        assert_eq!(budget.spent(), CENT);
    }

    #[test]
    fn a_price_list_that_is_wrong_is_found_out() {
        let mut budget = Budget::new(Some(CENT.times(5)));
        let mut sent = 0;
        let mut open = Vec::new();
        loop {
            match budget.reserve(Some(CENT.per(100))) {
                Ok(reserved) => {
                    sent += 1;
                    open.push(reserved);
                }
                Err(Refusal::Wait) => budget.settle(open.remove(0), CENT),
                Err(Refusal::Exhausted) => break,
            }
        }
        assert_eq!((sent, budget.spent()), (5, CENT.times(5)));
    }

    proptest! {
        /// As long as no request costs more than was reserved for it, the ceiling holds.
        #[test]
        fn never_overspent(steps in proptest::collection::vec((0i64..50, 0u8..=100, any::<bool>()), 0..400), ceiling in 0i64..500) {
            let mut budget = Budget::new(Some(CENT.times(ceiling as u64)));
            let mut open = Vec::new();
            for (price, percent, end) in steps {
                if end && !open.is_empty() {
                    let (reserved, cost): (Reserved, Usd) = open.remove(0);
                    budget.settle(reserved, cost);
                } else if let Ok(reserved) = budget.reserve(Some(CENT.times(price as u64))) {
                    open.push((reserved, CENT.times(price as u64 * u64::from(percent)).per(100)));
                }
                prop_assert!(budget.spent() + budget.reserved <= budget.ceiling().unwrap());
            }
        }
    }
}

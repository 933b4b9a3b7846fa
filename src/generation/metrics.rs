//! What is counted of a request to a model when it is over. Labels are few and fixed.

use metrics::counter;

use crate::llm::ErrorKind;
use crate::record::Usage;

/// A request has told what it used.
pub(super) fn count_usage(provider: &'static str, usage: &Usage) {
    let tokens = [
        ("input", Some(usage.input_tokens)),
        ("output", Some(usage.output_tokens)),
        ("cached_input", usage.cached_input_tokens),
    ];
    for (kind, count) in tokens {
        let counted = counter!("dramatis_tokens_total", "provider" => provider, "type" => kind);
        counted.increment(count.unwrap_or_default());
    }
}

/// A fallback spoke for a model of this provider.
pub(super) fn count_fallback(provider: &'static str) {
    counter!("dramatis_fallbacks_total", "provider" => provider).increment(1);
}

/// A request failed.
pub(super) fn count_failure(provider: &'static str, kind: ErrorKind) {
    let kind = match kind {
        ErrorKind::Auth => "auth",
        ErrorKind::Refused => "refused",
        ErrorKind::RateLimited => "rate_limited",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::Provider => "provider",
    };
    counter!("dramatis_provider_errors_total", "provider" => provider, "kind" => kind).increment(1);
}

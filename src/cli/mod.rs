//! Part of dramatis; see the module list in `lib.rs`.

pub mod mock_llm;

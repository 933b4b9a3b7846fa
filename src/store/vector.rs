//! Vectors as they are stored: a byte for each number, so that an agent's lie close together and are
//! soon looked through. What that loses is far less than what makes two texts alike.

/// Of a vector: the value of one step (4 bytes, little end first), then each number in steps.
/// `None`: not all of it are numbers.
pub(super) fn encode(vector: &[f32]) -> Option<Vec<u8>> {
    if !vector.iter().all(|number| number.is_finite()) {
        return None;
    }
    let largest = vector.iter().fold(0.0_f32, |largest, number| largest.max(number.abs()));
    let step = largest / f32::from(i8::MAX);
    let mut bytes = step.to_le_bytes().to_vec();
    bytes.extend(vector.iter().map(|number| in_steps(*number, step).cast_unsigned()));
    Some(bytes)
}

fn in_steps(number: f32, step: f32) -> i8 {
    if step == 0.0 {
        return 0;
    }
    let steps = (number / step).round().clamp(f32::from(-i8::MAX), f32::from(i8::MAX));
    #[expect(clippy::cast_possible_truncation, reason = "it is within the bounds of an i8")]
    let steps = steps as i8;
    steps
}

/// The dot product of a stored vector and another; `None`: they are not of one size.
pub(super) fn dot(bytes: &[u8], wanted: &[f32]) -> Option<f32> {
    let (step, numbers) = bytes.split_first_chunk::<4>()?;
    if numbers.len() != wanted.len() {
        return None;
    }
    // Eight sums side by side: the compiler makes vector instructions of them.
    let mut sums = [0.0_f32; 8];
    let (blocks, rest) = numbers.as_chunks::<8>();
    let (wanted_blocks, wanted_rest) = wanted.as_chunks::<8>();
    let product = |number: &u8, wanted: &f32| f32::from(number.cast_signed()) * wanted;
    for (block, wanted) in blocks.iter().zip(wanted_blocks) {
        for ((sum, number), wanted) in sums.iter_mut().zip(block).zip(wanted) {
            *sum += product(number, wanted);
        }
    }
    let rest: f32 = rest.iter().zip(wanted_rest).map(|(it, wanted)| product(it, wanted)).sum();
    Some((sums.iter().sum::<f32>() + rest) * f32::from_le_bytes(*step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dot_product_is_that_of_all_numbers() {
        for length in [0, 1, 7, 8, 9, 31, 256] {
            let one: Vec<f32> = (0..length).map(|it| it as f32 - 20.0).collect();
            let other: Vec<f32> = (0..length).map(|it| 1.0 - it as f32 / 2.0).collect();
            let plain: f32 = one.iter().zip(&other).map(|(one, other)| one * other).sum();
            let long = |vector: &[f32]| vector.iter().map(|it| it * it).sum::<f32>().sqrt();
            let found = dot(&encode(&one).unwrap(), &other).unwrap();
            // Each number is off by half a step at the most.
            assert!((found - plain).abs() <= 0.01 * long(&one) * long(&other), "{length}: {found}");
        }
    }

    #[test]
    fn what_is_no_vector_is_told_apart() {
        assert_eq!(encode(&[1.0, f32::NAN]), None);
        assert_eq!(encode(&[f32::INFINITY]), None);
        let nothing = encode(&[0.0, 0.0]).unwrap();
        assert_eq!(dot(&nothing, &[1.0, 1.0]), Some(0.0));
        assert_eq!(dot(&nothing, &[1.0]), None);
        assert_eq!(dot(&[1, 2], &[]), None);
    }
}

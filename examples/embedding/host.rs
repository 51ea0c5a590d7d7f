// SPDX-License-Identifier: MIT
// A host in Rust, without crates: the types of neml2/native/Kernel.h, as far as they are needed, and one call.
//
//   neml2-compile ../elasticity/input.i --backend native --interface c -d stress:strain
//   rustc -L aoti/elasticity/law -C link-arg=-Wl,-rpath,aoti/elasticity/law host.rs && ./host
use std::{ffi::CStr, mem::{size_of, zeroed}, os::raw::{c_char, c_int, c_void}, ptr::null};

#[repr(C)]
struct Array { data: *mut c_void, size: i64, stride: i64, batch_strides: *const i64, component_offsets: *const i64 }

#[repr(C)]
struct Call {
    bytes: i64, points: i64, begin: i64, end: i64, flags: i32, batch_axes: i32, batch_sizes: *const i64,
    inputs: *const Array, outputs: *const Array, tangents: *const Array, derivatives: *const Array, counts: [i32; 4],
    solvers: *const c_void, n_solvers: i32, reserved: i32, status: *mut i32, iterations: *mut i32, residual: *mut f64,
    failed: i64, iterated: u64, message: [c_char; 256],
}

type Function = extern "C" fn(*mut Call) -> c_int;

#[repr(C)]
struct Model {
    abi: [i32; 4], name: *const c_char, isa: *const c_char, counts: [i32; 6], arguments: [*const c_void; 4],
    forward: Function, jacobian: Function,
}

#[link(name = "elasticity")]
extern "C" { fn neml2_native_model_v1(abi: i32) -> *const Model; }

fn main() {
    let model = unsafe { neml2_native_model_v1(2).as_ref() }.expect("no code of this version for this CPU");
    let mut strain = vec![[1e-3, -3e-4, -3e-4, 0.0, 0.0, 0.0]; 4]; // points, in Mandel notation
    let (mut stress, mut tangent) = (vec![[0.0; 6]; 4], vec![[0.0; 36]; 4]);
    let array = |data: *mut c_void, size| Array { data, size, stride: size, batch_strides: null(), component_offsets: null() };
    let input = array(strain.as_mut_ptr().cast(), 6);
    let (output, block) = (array(stress.as_mut_ptr().cast(), 6), array(tangent.as_mut_ptr().cast(), 36));
    let mut call: Call = unsafe { zeroed() };
    (call.bytes, call.points, call.end) = (size_of::<Call>() as i64, 4, 4);
    (call.inputs, call.outputs, call.derivatives, call.counts) = (&input, &output, &block, [1, 1, 0, 1]);
    if (model.jacobian)(&mut call) != 0 {
        panic!("{}", unsafe { CStr::from_ptr(call.message.as_ptr()) }.to_string_lossy());
    }
    println!("{:?} {:?}", stress[3], &tangent[3][..6]);
}

//! Verified parsing of .tflite and .pkl models into a graph
